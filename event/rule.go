package event

// RuleSaved creates or replaces an automation: on an event type, when an expression holds, do an action (docs/rules.md).
type RuleSaved struct {
	Rule    RuleID  `json:"rule"`
	Name    string  `json:"name"`
	On      Type    `json:"on"`
	When    string  `json:"when"` // expression over the event and the run's state
	Then    RawJSON `json:"then"` // the action and its arguments
	Enabled bool    `json:"enabled"`
	By      string  `json:"by,omitempty"`
	// Version counts the saves of a rule that change what it does. A firing is of one.
	Version int64 `json:"version,omitempty"`
	// Experiment bounds the rule to facts of one; "" is all.
	Experiment ExperimentID `json:"experiment,omitempty"`
	// Metric chooses the series of a rule on metrics.logged: a key, in which '*' stands for anything.
	Metric string `json:"metric,omitempty"`
	// Repeat is how often the rule fires: "fact" for each fact, "run" once for each run, or a duration ("10m") that lies between two
	// firings for a run at least. "" is "run" on metrics.logged and "fact" on all else.
	Repeat string `json:"repeat,omitempty"`
	Note   string `json:"note,omitempty"`
}

// RuleRemoved ends an automation.
type RuleRemoved struct {
	Rule RuleID `json:"rule"`
	By   string `json:"by,omitempty"`
}

// RuleFired is a decision: a rule's expression held for a fact, and this is to be done (Then, with every expression in it worked out).
// It is said once of a firing, before anything is done; RuleActed says what came of it. With a Failure nothing is done: the expression
// could not be worked out, or the rule answers what rules have caused for too long.
type RuleFired struct {
	Rule    RuleID   `json:"rule"`
	Seq     uint64   `json:"seq"` // place of the fact
	Run     RunID    `json:"run,omitempty"`
	Action  string   `json:"action"`
	Result  string   `json:"result,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
	// Firing follows from the rule, its version and the fact, or the run where it fires once for each.
	Firing  FiringID `json:"firing,omitempty"`
	Version int64    `json:"version,omitempty"`
	Fact    string   `json:"fact,omitempty"` // its id
	// Step and Key are where a metric fired it.
	Step *int64  `json:"step,omitempty"`
	Key  string  `json:"key,omitempty"`
	Then RawJSON `json:"then,omitempty"`
	// Depth is how many rules stand between the fact and a person, this one included.
	Depth int `json:"depth,omitempty"`
	// Name is the rule's then: it may be removed.
	Name string `json:"name,omitempty"`
}

// RuleActed says what came of a firing. It is said once of each that had no failure.
type RuleActed struct {
	Rule    RuleID   `json:"rule"`
	Firing  FiringID `json:"firing"`
	Seq     uint64   `json:"seq"`           // place of the RuleFired
	Outcome string   `json:"outcome"`       // Done, Needless, Refused or GivenUp
	Run     RunID    `json:"run,omitempty"` // that was acted on
	Made    RunID    `json:"made,omitempty"`
	// Notification is the message that was sent on its way.
	Notification NotificationID `json:"notification,omitempty"`
	Result       string         `json:"result,omitempty"`
	Failure      *Failure       `json:"failure,omitempty"`
}

// The outcomes of a firing.
const (
	Done     = "done"
	Needless = "needless" // it was so already: the run had ended, somebody was faster
	Refused  = "refused"  // the platform said no
	GivenUp  = "failed"   // it was tried until nobody believed in it
)

// NotificationRequested is a message on its way to people outside. Secrets are not in it: environment variables of the process that
// sends it hold them, and are named.
type NotificationRequested struct {
	Notification NotificationID `json:"notification"`
	Rule         RuleID         `json:"rule,omitempty"`
	Firing       FiringID       `json:"firing,omitempty"`
	Seq          uint64         `json:"seq,omitempty"` // place of the RuleFired
	Run          RunID          `json:"run,omitempty"`
	Channel      string         `json:"channel"` // "webhook" or "email"
	// URL of a webhook, or URLEnv, the variable that holds it; SecretEnv is the variable that holds the key of its signature.
	URL       string   `json:"url,omitempty"`
	URLEnv    string   `json:"url_env,omitempty"`
	SecretEnv string   `json:"secret_env,omitempty"`
	To        []string `json:"to,omitempty"` // addresses of an e-mail
	Title     string   `json:"title"`
	Text      string   `json:"text,omitempty"`
}

// NotificationDelivered says that the other side took a message.
type NotificationDelivered struct {
	Notification NotificationID `json:"notification"`
	Rule         RuleID         `json:"rule,omitempty"`
	Seq          uint64         `json:"seq,omitempty"` // place of the RuleFired
	Attempt      int            `json:"attempt"`
	Status       int            `json:"status,omitempty"` // of HTTP
	Seconds      Number         `json:"seconds"`
}

// NotificationFailed says that a message was given up.
type NotificationFailed struct {
	Notification NotificationID `json:"notification"`
	Rule         RuleID         `json:"rule,omitempty"`
	Seq          uint64         `json:"seq,omitempty"` // place of the RuleFired
	Attempts     int            `json:"attempts"`
	Failure      Failure        `json:"failure"`
}

// RuleBy is how a rule signs what it does.
func RuleBy(id RuleID) string { return "rule:" + string(id) }

func (RuleSaved) Type() Type             { return "rule.saved" }
func (RuleRemoved) Type() Type           { return "rule.removed" }
func (RuleFired) Type() Type             { return "rule.fired" }
func (RuleActed) Type() Type             { return "rule.acted" }
func (NotificationRequested) Type() Type { return "notification.requested" }
func (NotificationDelivered) Type() Type { return "notification.delivered" }
func (NotificationFailed) Type() Type    { return "notification.failed" }

func (e RuleSaved) Subject() string   { return Prefix + "rule." + string(e.Rule) + ".saved" }
func (e RuleRemoved) Subject() string { return Prefix + "rule." + string(e.Rule) + ".removed" }

// Subject lies under the firing, so that each is said once; one without lies under its rule.
func (e RuleFired) Subject() string {
	if e.Firing == "" {
		return Prefix + "rule." + string(e.Rule) + ".fired"
	}
	return Prefix + "firing." + string(e.Firing) + ".fired"
}
func (e RuleActed) Subject() string { return Prefix + "firing." + string(e.Firing) + ".acted" }
func (e NotificationRequested) Subject() string {
	return Prefix + "notification." + string(e.Notification) + ".requested"
}
func (e NotificationDelivered) Subject() string {
	return Prefix + "notification." + string(e.Notification) + ".delivered"
}
func (e NotificationFailed) Subject() string {
	return Prefix + "notification." + string(e.Notification) + ".failed"
}

func (RuleSaved) sealed()             {}
func (RuleRemoved) sealed()           {}
func (RuleFired) sealed()             {}
func (RuleActed) sealed()             {}
func (NotificationRequested) sealed() {}
func (NotificationDelivered) sealed() {}
func (NotificationFailed) sealed()    {}
