package where

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Parse reads a condition; an empty text holds for every run. Times like "3d ago" are counted back from now. What cannot be read is
// a *SyntaxError.
//
// The result is in its plainest form: no And within an And, no Or within an Or, none of either with one condition.
func Parse(text string, now time.Time) (Expr, error) {
	return parse(text, now, func(p *parser) (Expr, *SyntaxError) {
		if p.peek().kind == tokEnd {
			return And{}, nil
		}
		return p.or()
	})
}

// ParseField reads one field, e.g. config.optimizer.lr or metric["val/loss"].min. Errors are *SyntaxError.
func ParseField(text string) (Field, error) { return parse(text, time.Time{}, (*parser).field) }

// ParseSort reads an order, e.g. `metric["val/loss"].min, created desc`: at most 8 fields, each up unless "desc" follows. Errors are
// *SyntaxError.
func ParseSort(text string) ([]Sort, error) { return parse(text, time.Time{}, (*parser).sorts) }

// parse reads all of a text.
func parse[T any](text string, now time.Time, read func(*parser) (T, *SyntaxError)) (T, error) {
	p := &parser{lexer: lexer{text: text}, now: now}
	var none T
	if len(text) > MaxBytes {
		return none, fail(text[:MaxBytes], MaxBytes, "", "the text has %d bytes, at most %d are read", len(text), MaxBytes)
	}
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRuneInString(text[i:])
		if c == utf8.RuneError && n == 1 {
			return none, fail(text, i, "", "this byte is not UTF-8")
		}
		i += n
	}
	v, err := read(p)
	if err == nil && p.peek().kind != tokEnd {
		err = p.unexpected(p.peek())
	}
	if p.err != nil { // what cannot be cut into words is the first thing to say
		err = p.err
	}
	if err != nil {
		return none, err
	}
	return v, nil
}

// parser reads by recursive descent, looking up to three tokens ahead.
type parser struct {
	lexer lexer
	now   time.Time
	ahead []token
	err   *SyntaxError // the lexer's: the tokens end there
	depth int
	terms int
}

// at looks at a token ahead.
func (p *parser) at(i int) token {
	for len(p.ahead) <= i {
		t := token{kind: tokEnd, at: p.lexer.at}
		if p.err == nil {
			if t, p.err = p.lexer.next(); p.err != nil {
				t = token{kind: tokEnd, at: p.err.Offset}
			}
		}
		p.ahead = append(p.ahead, t)
	}
	return p.ahead[i]
}

func (p *parser) peek() token { return p.at(0) }

func (p *parser) take() token {
	t := p.at(0)
	p.ahead = p.ahead[1:]
	return t
}

func (p *parser) fail(at int, hint, format string, args ...any) *SyntaxError {
	return fail(p.lexer.text, at, hint, format, args...)
}

func (p *parser) unexpected(t token) *SyntaxError {
	switch t.kind {
	case tokEnd:
		return p.fail(t.at, "", "the text ends where a condition is wanted")
	case tokClose:
		return p.fail(t.at, "", "this parenthesis closes nothing")
	case tokOp:
		return p.fail(t.at, "write a field first, e.g. config.optimizer.lr < 1e-3", "nothing stands before %s", t.text)
	case tokWord, tokString:
		return p.fail(t.at, "", "%q is not expected here", t.text)
	}
	return p.fail(t.at, "put quotes around what is meant as text", "a condition is wanted here")
}

// count bounds how much a text asks for.
func (p *parser) count(at int) *SyntaxError {
	if p.terms++; p.terms > MaxTerms {
		return p.fail(at, "", "there are more than %d terms", MaxTerms)
	}
	return nil
}

// deeper goes one level down; the caller comes up again by p.depth--.
func (p *parser) deeper(at int) *SyntaxError {
	if p.depth++; p.depth > MaxDepth {
		return p.fail(at, "", "this is nested more than %d deep", MaxDepth)
	}
	return nil
}

func (p *parser) or() (Expr, *SyntaxError) {
	var list Or
	for {
		e, err := p.and()
		if err != nil {
			return nil, err
		}
		if inner, ok := e.(Or); ok {
			list = append(list, inner...)
		} else {
			list = append(list, e)
		}
		if t := p.peek(); t.kind != tokOr && !t.is("or") {
			break
		}
		p.take()
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

// and reads conditions one after the other; the word between them may be left out.
func (p *parser) and() (Expr, *SyntaxError) {
	list := And{}
	for {
		e, err := p.not()
		if err != nil {
			return nil, err
		}
		if inner, ok := e.(And); ok {
			list = append(list, inner...)
		} else {
			list = append(list, e)
		}
		t := p.peek()
		if t.kind == tokAnd || t.is("and") {
			p.take()
			continue
		}
		if t.is("or") || t.kind != tokWord && t.kind != tokString && t.kind != tokOpen && t.kind != tokNot {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

func (p *parser) not() (Expr, *SyntaxError) {
	t := p.peek()
	if t.kind != tokNot && !t.is("not") {
		return p.primary()
	}
	p.take()
	if err := p.deeper(t.at); err != nil {
		return nil, err
	}
	e, err := p.not()
	p.depth--
	return Not{e}, err
}

func (p *parser) primary() (Expr, *SyntaxError) {
	switch t := p.peek(); {
	case t.kind == tokOpen:
		return p.parenthesis()
	case t.kind == tokString && p.at(1).kind == tokOp:
		return nil, p.fail(t.at, "write fields without quotes, e.g. name = \"x\"", "a field is wanted before %s", p.at(1).text)
	case t.kind == tokString:
		p.take()
		if p.listed(0) {
			return p.inLabels(t)
		}
		return Words{t.text}, p.count(t.at)
	case t.kind != tokWord:
		return nil, p.unexpected(t)
	case t.is("and"), t.is("or"):
		return nil, p.fail(t.at, "put quotes around the word to look for it", "a condition is wanted before %q", t.text)
	}
	t := p.peek()
	first := t.path()[0].text
	name, isField := lookup(first)
	compared := p.compared(1)
	switch {
	case p.listed(1) && !isField && t.segments == nil:
		p.take()
		return p.inLabels(t)
	case isField && unitOf(name) == flag && !compared && t.segments == nil && t.text == first:
		p.take()
		return Compare{Field{Name: name}, Equal, []Value{{Kind: Bool, Bool: true}}}, p.count(t.at)
	case isField:
		return p.comparison()
	case compared || t.segments != nil:
		return nil, p.noField(t)
	}
	if field, rest, ok := strings.Cut(t.text, ":"); ok {
		if n, isField := lookup(strings.Split(field, ".")[0]); isField {
			return nil, p.fail(t.at+len(field), "write "+string(n)+" = "+quote(rest)+", or put quotes around the text", "there is no : in this language")
		}
	}
	p.take()
	return Words{t.text}, p.count(t.at)
}

func (p *parser) parenthesis() (Expr, *SyntaxError) {
	open := p.take()
	if err := p.deeper(open.at); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if p.peek().kind == tokClose { // what Print writes for a condition that always holds
		p.take()
		return And{}, p.count(open.at)
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokClose {
		if t.kind == tokEnd {
			return nil, p.fail(open.at, "", "the parenthesis that opens here is never closed")
		}
		return nil, p.unexpected(t)
	}
	p.take()
	return e, nil
}

// listed tells whether "in labels" or "not in labels" is ahead.
func (p *parser) listed(i int) bool {
	if p.at(i).is("not") {
		i++
	}
	return p.at(i).is("in") && (p.at(i+1).is("labels") || p.at(i+1).is("label"))
}

// inLabels reads on after the label.
func (p *parser) inLabels(label token) (Expr, *SyntaxError) {
	op := Contains
	if p.take().is("not") {
		op = NotContains
		p.take()
	}
	p.take()
	return Compare{Field{Name: Label}, op, []Value{{Word: label.text}}}, p.count(label.at)
}

// compared tells whether a comparison is ahead.
func (p *parser) compared(i int) bool {
	t := p.at(i)
	if t.is("not") {
		t = p.at(i + 1)
	}
	return t.kind == tokOp || t.is("in") || t.is("exists") || t.is("contains")
}

func (p *parser) noField(t token) *SyntaxError {
	first := t.path()[0].text
	if near := nearest(strings.ToLower(first), append(fieldNames(), "params", "summary")); near != "" {
		return p.fail(t.at, "did you mean "+near+"?", "there is no field %q", first)
	}
	if t.segments != nil {
		return p.fail(t.at, "put quotes around all of a text", "there is no field %q", first)
	}
	hint := "config." + t.text + " is of the configuration, metric[" + strconv.Quote(t.text) + "] a metric, tags." + t.text + " a tag"
	if p.at(1).is("in") {
		hint = `a label is looked for by "x" in labels, a text in quotes`
	}
	return p.fail(t.at, hint, "there is no field %q", t.text)
}

// field reads a field with its key and statistic.
func (p *parser) field() (Field, *SyntaxError) {
	t := p.take()
	if t.kind != tokWord {
		return Field{}, p.fail(t.at, "e.g. config.optimizer.lr", "a field is wanted here")
	}
	path := t.path()
	name, ok := lookup(path[0].text)
	if !ok || path[0].quoted {
		p.ahead = slices.Insert(p.ahead, 0, t)
		return Field{}, p.noField(t)
	}
	f, rest := Field{Name: name}, path[1:]
	needs, may := keyed(name)
	if len(rest) > 0 && !may {
		return f, p.fail(rest[0].at, "write "+string(name), "%s has no parts", name)
	}
	if len(rest) == 0 {
		if needs {
			return f, p.fail(t.at, "e.g. "+example(name), "%s of what?", name)
		}
		return f, nil
	}
	if name == Metric {
		if last := rest[len(rest)-1]; len(rest) > 1 && !last.quoted && slices.Contains(statNames, last.text) {
			rest = rest[:len(rest)-1]
			if f.Stat = Stat(last.text); f.Stat == StatLast {
				f.Stat = ""
			}
		} else if len(rest) > 1 && rest[0].quoted && !last.quoted {
			return f, p.fail(last.at, "it is one of "+strings.Join(statNames, ", ")+", or write at 1000", "a metric has no %q", last.text)
		}
	}
	keys := make([]string, len(rest))
	for i, s := range rest {
		if s.text == "" && !s.quoted {
			return f, p.fail(s.at, "e.g. "+example(name), "a name is wanted here")
		}
		keys[i] = s.text
	}
	if f.Key = strings.Join(keys, "."); f.Key == "" {
		return f, p.fail(rest[0].at, "e.g. "+example(name), "%s of what?", name)
	}
	if at := p.peek(); name == Metric && f.Stat == "" && at.is("at") {
		p.take()
		step := p.take()
		n, err := strconv.ParseInt(strings.ReplaceAll(step.text, "_", ""), 10, 64)
		if step.kind != tokWord || err != nil {
			return f, p.fail(step.at, `e.g. metric["val/loss"] at 1000`, "at which step?")
		}
		f.Stat, f.Step = StatAt, n
	}
	return f, nil
}

func (p *parser) comparison() (Expr, *SyntaxError) {
	first := p.peek()
	f, err := p.field()
	if err != nil {
		return nil, err
	}
	if err := p.count(first.at); err != nil {
		return nil, err
	}
	c := Compare{Field: f}
	t := p.peek()
	negated := t.is("not") && p.compared(0)
	if negated {
		p.take()
		t = p.peek()
	}
	switch {
	case t.is("exists"):
		p.take()
		c.Op = Exists
		if negated {
			err := p.deeper(t.at)
			p.depth--
			return Not{c}, err
		}
		return c, nil
	case t.is("in"):
		c.Op = In
	case t.is("contains"):
		c.Op = Contains
	case t.kind == tokOp:
		c.Op = Op(t.text)
	default:
		return nil, p.fail(t.at, "write "+PrintField(f)+" exists, or put quotes around the word to look for it", "%s is compared with nothing", PrintField(f))
	}
	p.take()
	if negated {
		if t.kind == tokOp {
			return nil, p.fail(t.at, "write not before the field", "there is no \"not %s\"", t.text)
		}
		c.Op = map[Op]Op{In: NotIn, Contains: NotContains}[c.Op]
	}
	if err := p.allowed(&c, t); err != nil {
		return nil, err
	}
	if c.Op == In || c.Op == NotIn {
		return p.list(c)
	}
	v, err := p.value(f)
	c.Values = []Value{v}
	return c, err
}

// allowed refuses comparisons that a field cannot have. To be equal to a list of labels is to be in it.
func (p *parser) allowed(c *Compare, op token) *SyntaxError {
	if c.Field.Name == Label {
		c.Op = labelOp(c.Op)
	}
	partial := c.Op == Contains || c.Op == NotContains
	switch u := unitOf(c.Field.Name); {
	case u == flag && c.Op != Equal && c.Op != NotEqual:
		return p.fail(op.at, "write "+string(c.Field.Name)+" = true", "%s is true or false", c.Field.Name)
	case partial && u != text && u != loose:
		return p.fail(op.at, "write =, !=, <, <=, > or >=", "%s has no parts that ~ could look for", PrintField(c.Field))
	}
	return nil
}

func labelOp(op Op) Op {
	switch op {
	case Equal:
		return Contains
	case NotEqual:
		return NotContains
	}
	return op
}

// list reads the values after in.
func (p *parser) list(c Compare) (Expr, *SyntaxError) {
	if t := p.take(); t.kind != tokOpen {
		return nil, p.fail(t.at, "write "+PrintField(c.Field)+" in (a, b)", "a list in parentheses is wanted here")
	}
	if p.peek().kind == tokClose {
		p.take()
		return c, nil
	}
	for {
		v, err := p.value(c.Field)
		if err != nil {
			return nil, err
		}
		c.Values = append(c.Values, v)
		switch t := p.take(); t.kind {
		case tokComma:
		case tokClose:
			return c, nil
		default:
			return nil, p.fail(t.at, "write (a, b)", "a comma or the end of the list is wanted here")
		}
	}
}

func (p *parser) sorts() ([]Sort, *SyntaxError) {
	var out []Sort
	for p.peek().kind != tokEnd {
		if len(out) == maxSorts {
			return nil, p.fail(p.peek().at, "", "an order has at most %d fields", maxSorts)
		}
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		s := Sort{Field: f}
		if t := p.peek(); t.is("desc") || t.is("asc") {
			s.Desc = p.take().is("desc")
		}
		out = append(out, s)
		if p.peek().kind != tokComma {
			break
		}
		if p.take(); p.peek().kind == tokEnd {
			return nil, p.fail(p.peek().at, "", "a field is wanted after the comma")
		}
	}
	return out, nil
}
