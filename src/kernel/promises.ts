/** For `promise.catch`: whoever awaits it gets the rejection; without anybody waiting it must not end the process. */
export function ignoreUnlessAwaited(): void {
  // Nothing to do: that somebody listens is all that is needed.
}
