package privacy

// phone finds a telephone number at i: an international one with + and 8 to 15 digits (10 and more when nothing parts them),
// or a North American one with its parts, 212-555-0147 or (212) 555-0147.
func phone(text string, i int) (end int) {
	if before := at(text, i-1); before != 0 && (wordByte(before) || before == '-' || before == '.' || before == '/' || before == '=' || before == '$' || before == '#' || before == ')' || before == '+') {
		return 0
	}
	if text[i] != '+' {
		return northAmerican(text, i)
	}
	digits, parts := 0, 0
	if c := at(text, i+1); c < '1' || c > '9' {
		return 0
	}
	end = i + 1
	for k := end; k < len(text) && digits <= 15; k++ {
		c := text[k]
		if digit(c) {
			digits++
			end = k + 1
			continue
		}
		next := at(text, k+1)
		if separator := c == ' ' || c == '-' || c == '.' || c == '(' || c == ')'; !separator || !digit(next) && next != '(' && !(c == ')' && (next == ' ' || next == '-')) {
			break
		}
		if parts == 0 && digits >= 10 {
			break // it was whole: what follows is another number
		}
		parts++
	}
	if c := at(text, end); digits > 15 || digits < 8 || parts == 0 && digits < 10 || wordByte(c) || (c == '.' || c == ',' || c == '-') && digit(at(text, end+1)) {
		return 0
	}
	return end
}

func northAmerican(text string, i int) (end int) {
	k := i
	take := func(n int, first bool) bool {
		if first && (at(text, k) < '2' || at(text, k) > '9') {
			return false
		}
		for range n {
			if !digit(at(text, k)) {
				return false
			}
			k++
		}
		return true
	}
	var separator byte
	if at(text, k) == '(' {
		k++
		if !take(3, true) || at(text, k) != ')' {
			return 0
		}
		if k++; at(text, k) == ' ' {
			k++
		}
		separator = '-'
	} else {
		if at(text, k) == '1' && (at(text, k+1) == '-' || at(text, k+1) == ' ' || at(text, k+1) == '.') {
			k += 2
		}
		if !take(3, true) {
			return 0
		}
		if separator = at(text, k); separator != '-' && separator != '.' {
			return 0
		}
		k++
	}
	if !take(3, true) || at(text, k) != separator {
		return 0
	}
	k++
	if !take(4, false) {
		return 0
	}
	if c := at(text, k); wordByte(c) || (c == '-' || c == '.' || c == ',' || c == '/') && wordByte(at(text, k+1)) {
		return 0
	}
	return k
}

// card finds a payment card number at i: 13 to 19 digits with an issuer's prefix and length and a right check digit, in one
// piece or in groups of four (American Express: 4-6-5) with one and the same space or hyphen between.
func card(text string, i int) (end int) {
	if before := at(text, i-1); before == '.' || before == '-' || before == '+' || before == '/' {
		return 0
	}
	var digits []byte
	var groups []int
	var separator byte
	run := 0
	var buf [20]byte
	digits = buf[:0]
	k := i
	for ; k < len(text) && len(digits) < 20; k++ {
		if c := text[k]; digit(c) {
			digits = append(digits, c-'0')
			run++
			continue
		} else if (c == ' ' || c == '-') && (separator == 0 || separator == c) && digit(at(text, k+1)) {
			if run != 4 && run != 6 {
				break
			}
			separator = c
			groups = append(groups, run)
			run = 0
			continue
		}
		break
	}
	if c := at(text, k); wordByte(c) || (c == '.' || c == '-' || c == '/' || c == ' ' && separator == ' ') && digit(at(text, k+1)) {
		return 0
	}
	groups = append(groups, run)
	if !issued(digits) || !luhn(digits) {
		return 0
	}
	if amex := len(digits) == 15; len(groups) > 1 {
		if at(text, i-1) == ' ' && digit(at(text, i-2)) {
			return 0 // the groups begin before i
		}
		for n, g := range groups {
			switch {
			case amex && (len(groups) != 3 || g != []int{4, 6, 5}[n]), !amex && g != 4 && n < len(groups)-1, !amex && g > 4:
				return 0
			}
		}
	}
	return k
}

// issued tells whether digits have the prefix and length of an issuer: Visa, Mastercard, American Express, Discover, Diners
// Club, JCB, UnionPay.
func issued(digits []byte) bool {
	if len(digits) < 13 || len(digits) > 19 {
		return false
	}
	prefix := 0
	for _, d := range digits[:4] {
		prefix = 10*prefix + int(d)
	}
	in := func(from, to int) bool { return prefix >= from && prefix <= to }
	switch n := len(digits); {
	case in(4000, 4999):
		return n == 13 || n == 16 || n == 19
	case in(5100, 5599), in(2221, 2720):
		return n == 16
	case in(3400, 3499), in(3700, 3799):
		return n == 15
	case in(3000, 3059), in(3600, 3699), in(3800, 3999):
		return n == 14 || n == 16
	case in(6011, 6011), in(6440, 6599), in(3528, 3589):
		return n == 16
	case in(6200, 6299):
		return n >= 16
	}
	return false
}

// luhn checks the last digit (ISO/IEC 7812-1).
func luhn(digits []byte) bool {
	sum := 0
	for i, d := range digits {
		if (len(digits)-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += int(d)
	}
	return sum%10 == 0
}

// ibanLength is the length of a country's IBAN, from the registry of ISO 13616; 0 for a country without.
func ibanLength(country string) int {
	switch country {
	case "NO":
		return 15
	case "BE":
		return 16
	case "DK", "FO", "FI", "GL", "NL", "FK", "SD":
		return 18
	case "MK", "SI":
		return 19
	case "AT", "BA", "EE", "KZ", "XK", "LT", "LU", "MN":
		return 20
	case "HR", "LV", "LI", "CH":
		return 21
	case "BG", "BH", "CR", "GE", "DE", "IE", "ME", "RS", "GB", "VA":
		return 22
	case "TL", "GI", "IQ", "IL", "AE", "OM", "SO":
		return 23
	case "AD", "CZ", "MD", "PK", "RO", "SA", "SK", "ES", "SE", "TN", "VG":
		return 24
	case "LY", "PT", "ST":
		return 25
	case "IS", "TR":
		return 26
	case "FR", "GR", "IT", "MC", "MR", "SM", "BI", "DJ":
		return 27
	case "AL", "AZ", "CY", "DO", "GT", "HU", "LB", "NI", "PL", "SV", "BY":
		return 28
	case "BR", "PS", "QA", "UA", "EG":
		return 29
	case "JO", "KW", "MU", "YE":
		return 30
	case "MT", "SC":
		return 31
	case "LC":
		return 32
	case "RU":
		return 33
	}
	return 0
}

// iban finds an account number at i: its country's length in capitals and digits, in one piece or in groups of four, with
// the right check digits (mod 97).
func iban(text string, i int) (end int) {
	if i+4 > len(text) || !digit(text[i+2]) || !digit(text[i+3]) {
		return 0
	}
	want := ibanLength(text[i : i+2])
	if want == 0 {
		return 0
	}
	var number [34]byte
	n := 0
	spaced := at(text, i+4) == ' '
	k := i
	for n < want {
		if spaced && n > 0 && n%4 == 0 {
			if at(text, k) != ' ' {
				return 0
			}
			k++
		}
		c := at(text, k)
		if !digit(c) && (c < 'A' || c > 'Z') {
			return 0
		}
		number[n] = c
		n++
		k++
	}
	if wordByte(at(text, k)) {
		return 0
	}
	rest := 0
	for j := range want { // the first four go to the end
		if c := number[(j+4)%want]; digit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	if rest != 1 {
		return 0
	}
	return k
}
