package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Durability says in a line how safe an acknowledged fact is, and warns of what could lose one.
func (b *Bus) Durability(ctx context.Context) (summary string, warnings []string, err error) {
	info, err := b.info(ctx)
	if err != nil {
		return "", nil, err
	}
	if n := info.State.NumDeleted; n > 0 {
		warnings = append(warnings, fmt.Sprintf("%d facts are missing between %d and %d: deleted by an operator, or lost by a damaged disk", n, info.State.FirstSeq, info.State.LastSeq))
	}
	if info.Config.Storage != jetstream.FileStorage {
		warnings = append(warnings, "the stream is kept in memory: a restart of NATS loses every fact")
	}
	if info.Config.MaxAge > 0 || info.Config.MaxMsgs > 0 || info.Config.MaxMsgsPerSubject > 0 || info.Config.Discard == jetstream.DiscardOld && info.Config.MaxBytes > 0 {
		warnings = append(warnings, "the stream's limits remove old facts: what was folded from them cannot be rebuilt")
	}
	if b.emb != nil {
		if b.conf.Relaxed {
			return "embedded, one copy, relaxed", append(warnings, "facts are acknowledged before fsync: a power cut can lose the last two minutes"), nil
		}
		return "embedded, one copy, fsync before every acknowledgement", warnings, nil
	}
	summary = fmt.Sprintf("external, %d of %d replicas in step", inStep(info), info.Config.Replicas)
	if info.Config.Replicas < 3 {
		warnings = append(warnings, fmt.Sprintf("the stream has %d replica: the loss of a disk loses the log; set it to 3 in a cluster (nats stream edit %s --replicas 3)", info.Config.Replicas, Stream))
	} else if inStep(info) < info.Config.Replicas {
		warnings = append(warnings, "not every replica is in step")
	}
	sync, err := b.syncSetting(ctx)
	switch {
	case err != nil:
		return summary + ", sync interval unknown", append(warnings, fmt.Sprintf("the server's sync interval could not be read (%v): see that it has jetstream { sync_interval: always }", err)), nil
	case sync.Always:
		return summary + ", fsync before every acknowledgement", warnings, nil
	}
	every := sync.Interval
	if every == 0 {
		every = 2 * time.Minute
	}
	return fmt.Sprintf("%s, fsync every %v", summary, every),
		append(warnings, fmt.Sprintf("NATS acknowledges before fsync, which comes every %v: a power cut of all replicas can lose that much; set jetstream { sync_interval: always }", every)), nil
}

// inStep counts the leader and the followers that have everything.
func inStep(info *jetstream.StreamInfo) int {
	n := 1
	if info.Cluster == nil {
		return n
	}
	for _, peer := range info.Cluster.Replicas {
		if peer.Current && !peer.Offline {
			n++
		}
	}
	return n
}

// syncing is the part of NATS's /jsz that tells when it calls fsync.
type syncing struct {
	Interval time.Duration `json:"sync_interval"`
	Always   bool          `json:"sync_always"`
}

// syncSetting asks the monitoring address: NATS tells ordinary accounts nothing of it.
func (b *Bus) syncSetting(ctx context.Context) (syncing, error) {
	if b.conf.Monitor == "" {
		return syncing{}, fmt.Errorf("no monitoring address is configured")
	}
	ctx, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(b.conf.Monitor, "/")+"/jsz?config=true", nil)
	if err != nil {
		return syncing{}, fmt.Errorf("monitoring address: %w", err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return syncing{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return syncing{}, fmt.Errorf("%s: %w", redacted(req.URL.String()), err)
	}
	if resp.StatusCode != http.StatusOK {
		return syncing{}, fmt.Errorf("%s answers %s", redacted(req.URL.String()), resp.Status)
	}
	var answer struct {
		Config *syncing `json:"config"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return syncing{}, fmt.Errorf("%s is not NATS's monitoring: %w", redacted(req.URL.String()), err)
	}
	if answer.Config == nil {
		return syncing{}, fmt.Errorf("%s tells of no JetStream", redacted(req.URL.String()))
	}
	return *answer.Config, nil
}
