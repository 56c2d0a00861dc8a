package node

import (
	"context"

	"millrace/graph"
	"millrace/services/rules"
)

// Rules says how the messages of rules leave. Passwords and keys are in environment variables of this process.
type Rules struct {
	// Files are rules that are saved at the start (docs/rules.md).
	Files []string `yaml:"files"`
	// AllowPrivate lets webhooks go to private networks and to this machine.
	AllowPrivate bool `yaml:"allow_private"`
	Mail         Mail `yaml:"mail"`
}

// Mail is the server by which e-mail leaves.
type Mail struct {
	Addr        string `yaml:"addr"` // host:port; none: no e-mail is sent
	From        string `yaml:"from"`
	User        string `yaml:"user"`
	PasswordEnv string `yaml:"password_env"` // the variable that holds the password
	// Plain lets it speak without TLS, to a server of one's own.
	Plain bool `yaml:"plain"`
}

func (r Rules) notify() rules.Notify {
	return rules.Notify{AllowPrivate: r.AllowPrivate, Mail: rules.Mail{Addr: r.Mail.Addr, From: r.Mail.From, User: r.Mail.User, PasswordEnv: r.Mail.PasswordEnv, Plain: r.Mail.Plain}}
}

// tryRule is a trial as GraphQL wants it.
func (n *Node) tryRule(ctx context.Context, w graph.RuleTrialWish, told func(done, total uint64)) (graph.RuleTrial, error) {
	t, err := n.trials.Try(ctx, rules.TrialWish(w), told)
	return graph.RuleTrial(t), err
}
