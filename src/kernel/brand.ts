/** A value that has passed the one function allowed to mint it; structurally equal values do not type-check. */
export type Brand<Value, Name extends string> = Value & { readonly __brand: Name };
