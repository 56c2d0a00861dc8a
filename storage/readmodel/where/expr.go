package where

import "time"

// Expr is a condition on a run: And, Or, Not, Compare or Words. The zero And holds for every run.
type Expr interface{ isExpr() }

// And holds when all of its conditions do, and when it has none.
type And []Expr

// Or holds when one of its conditions does; without any it never does.
type Or []Expr

// Not holds when its condition does not.
type Not struct{ Of Expr }

// Compare holds a run's value against given ones.
//
// A run that has no such value fits only NotEqual, NotIn and NotContains. Numbers compare with numbers and words with words; a value of
// another kind than the given one is as if there were none. NaN is equal to NaN, and neither less nor greater than anything.
type Compare struct {
	Field  Field
	Op     Op
	Values []Value // one; none for Exists; any number for In and NotIn
}

// Words holds when every word is in the run's name, note, id, tags, labels or the name of its experiment; case does not matter.
type Words struct{ Text string }

func (And) isExpr()     {}
func (Or) isExpr()      {}
func (Not) isExpr()     {}
func (Compare) isExpr() {}
func (Words) isExpr()   {}

// Op is a comparison.
type Op string

// The comparisons. Contains looks for a part of a word, whatever its case, or for an element of a list.
const (
	Equal       Op = "="
	NotEqual    Op = "!="
	Less        Op = "<"
	AtMost      Op = "<="
	Greater     Op = ">"
	AtLeast     Op = ">="
	Contains    Op = "~"
	NotContains Op = "!~"
	In          Op = "in"
	NotIn       Op = "not in"
	Exists      Op = "exists"
)

// Value is what a field is compared with: exactly one of its members counts, by Kind.
type Value struct {
	Kind   ValueKind
	Word   string
	Number float64
	Bool   bool
	Time   time.Time
}

// ValueKind tells which member of a Value counts.
type ValueKind uint8

// The kinds of values.
const (
	Word ValueKind = iota
	Number
	Bool
	Time
)

// Field names a value of a run.
type Field struct {
	Name Name
	// Key is the dotted path of Config, the key of Tag and Metric, the role of Input; "" for the rest.
	Key string
	// Stat is which number of a Metric is meant; "" is the last one.
	Stat Stat
	// Step is where to look, for StatAt.
	Step int64
}

// Name is a field's name in the language.
type Name string

// The fields. Numbers have their unit here.
const (
	ID            Name = "id"
	RunName       Name = "name"
	Kind          Name = "kind"       // in small letters; those of the other side do not matter
	Status        Name = "status"     // likewise
	Experiment    Name = "experiment" // id or name
	Note          Name = "note"
	By            Name = "by"
	Worker        Name = "worker" // of any attempt
	Label         Name = "labels" // a list
	Tag           Name = "tags"   // tags.<key>
	Config        Name = "config" // config.<dotted path>, logged params included
	Metric        Name = "metric" // metric["key"].<stat>, metric["key"] at <step>
	Input         Name = "input"  // input.<role>: digest or name; "input" alone: of any role
	SpecDigest    Name = "spec"
	Parent        Name = "parent" // the run it was forked from, reproduces or judges
	Archived      Name = "archived"
	Starred       Name = "starred"
	Created       Name = "created" // times compare with times, dates, and "3d ago"
	Started       Name = "started"
	Ended         Name = "ended"
	Updated       Name = "updated"
	Duration      Name = "duration" // seconds, from start to end or to the newest sign of life
	Dollars       Name = "cost"     // US dollars, by the price book as it is now
	DeviceSeconds Name = "device_seconds"
	Joules        Name = "joules"
	Tokens        Name = "tokens"
	FLOPs         Name = "flops"
	Steps         Name = "steps"
)

// Stat is which number of a metric is meant.
type Stat string

// The numbers of a metric.
const (
	StatLast  Stat = "last"
	StatFirst Stat = "first"
	StatMin   Stat = "min"
	StatMax   Stat = "max"
	StatAt    Stat = "at" // the value at exactly Field.Step
)

// Sort is one key of an order. Runs that have no such value come last, up or down.
type Sort struct {
	Field Field
	Desc  bool
}
