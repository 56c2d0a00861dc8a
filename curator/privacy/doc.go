// Package privacy takes personal data and secrets out of text: e-mail addresses, public IP addresses, phone numbers, IBANs,
// payment cards, and keys and tokens of known shapes. Each becomes a placeholder that names its kind, "[EMAIL]", always the
// same; what else the text says stays.
//
// Everything that can be verified is: IP addresses must be public ones, IBANs pass mod 97 and have their country's length,
// cards pass Luhn and have an issuer's prefix, a token has its service's prefix and length. Version numbers, section numbers,
// hashes, decimals and dates are left alone. It is a filter of shapes: names and street addresses are not found.
package privacy
