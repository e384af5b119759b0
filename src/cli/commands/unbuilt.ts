/** Commands that REFERENCE names and this version does not have: each is refused by its name. */
export const UNBUILT_COMMANDS: readonly { readonly name: string; readonly does: string }[] = [
  { name: 'commit', does: 'keep a bottle as it is' },
  { name: 'check', does: 'attack a bottle from inside' },
  { name: 'learn', does: 'turn refusals into proposals' },
  { name: 'image', does: 'build and list images' },
];
