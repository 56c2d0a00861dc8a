// Package rules does what people have said is to be done when something happens: on a fact, when an expression holds, an action.
//
// The types you need: Service, which decides and acts; Rule, a saved rule that was read and checked (Parse); Reactor, for code that wants to
// hear facts by the same way.
//
// A fact is heard by one durable group of workers ("rules"). A rule whose expression holds says so with rule.fired, which is named after the
// rule, its version and the fact and is published once: a repeat decides nothing again. A second group ("rules-act") does what was decided;
// what it makes is named after the firing, so that a repeat makes nothing twice. Messages to people wait in the log too and go out by a third
// group ("rules-notify"), with growing pauses, so that an endpoint that hangs keeps nobody waiting.
//
// Metric points are heard otherwise, because there are many of them: they are followed, collected by run and series, and shown to the rules at
// most once a second of each run (points.go). What a rule decides of them is named after the run, or the run and how often the rule has fired
// for it, so that points that are read again after a crash decide nothing twice.
//
// docs/rules.md has the language.
package rules
