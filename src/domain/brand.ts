declare const brand: unique symbol;

/** A value that has been parsed: only the `parse…` function of its module makes one. At run time it is the bare value. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
