/** Stands in the bundle for React's development tools, which Ink loads only when it is told to by its environment. */
export default {};
