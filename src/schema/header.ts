/** One header line as received: name in the sender's spelling, value without surrounding space. */
export type Header = readonly [name: string, value: string];
