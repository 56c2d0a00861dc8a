package readmodel

import (
	"time"

	"millrace/event"
)

// Rule is an automation as it was last saved.
type Rule struct {
	event.RuleSaved
	Seq uint64 `json:"seq"` // of its first save
	// Since is the place from which its version is in force: earlier facts are not its business.
	Since     uint64    `json:"since,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Firings   int64     `json:"firings,omitempty"`
	LastFired time.Time `json:"last_fired,omitzero"`
	// Failure is the last reason why it could not decide or was not allowed to.
	Failure  *event.Failure `json:"failure,omitempty"`
	FailedAt time.Time      `json:"failed_at,omitzero"`
}

// Firing is one deed of a rule. FiredSeq is its own place in the log; RuleFired.Seq is the place of the fact it answered.
type Firing struct {
	event.RuleFired
	FiredSeq uint64    `json:"fired_seq"`
	At       time.Time `json:"at"`
	// Acted is what came of it, nil until something did.
	Acted        *event.RuleActed `json:"acted,omitempty"`
	ActedAt      time.Time        `json:"acted_at,omitzero"`
	Notification *Notification    `json:"notification,omitempty"`
}

// Notification is a message of a rule and what became of it.
type Notification struct {
	event.NotificationRequested
	RequestedAt time.Time                    `json:"requested_at,omitzero"`
	Delivered   *event.NotificationDelivered `json:"delivered,omitempty"`
	DeliveredAt time.Time                    `json:"delivered_at,omitzero"`
	Failed      *event.NotificationFailed    `json:"failed,omitempty"`
	FailedAt    time.Time                    `json:"failed_at,omitzero"`
}

// Fired is how often a version of a rule fired for a run, and when and where in the log it did last.
type Fired struct {
	Count int64     `json:"count"`
	At    time.Time `json:"at"`
	Seq   uint64    `json:"seq"`
}
