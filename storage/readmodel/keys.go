package readmodel

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// table is one bbolt bucket. A key in it is a group (whose run, series, digest or metric it is) and a rest that orders the
// group; groups are read, listed and cleared as a whole.
type table uint8

const (
	tableMeta table = iota
	tableHead
	tableRun
	tableLive
	tableGone
	tableParam
	tableConfig
	tableDefinition
	tableWriter
	tableSeries
	tableLast
	tableChunk
	tableTail
	tableBlock
	tableLine
	tableRow
	tableText
	tableArtifact
	tableAlert
	tableAlertOrder
	tableCheckpoint
	tableCheckpointOf
	tableEvaluation
	tableEvaluationOf
	tableEdge
	tableExperiment
	tableDataset
	tableAlias
	tablePrice
	tableRule
	tableFiring
	tableFiringOrder
	tableFired
	tableKept
	tableCollection
	tableVersion
	tableInput
	tableSummary
	tableSpan
	tableForeign
	tableStored
	tableContest
	tableVote
	tableSuite
	tableSweep
	tableTrial
	tableCount
)

// layout is the key table: every bucket with its group, the rest of its keys, its values, and whether a group goes with its
// run when the run is deleted. Change anything here and version goes up: the file is then folded anew.
var layout = [tableCount]struct {
	name, group, rest, value string
	ofRun                    bool
}{
	tableMeta:         {"meta", "", "name", "version, identity, cursor, id of the fact at the cursor, next series number", false},
	tableHead:         {"head", "", "run", "checksum; what lists need of a run (record_head.go), in memory too", false},
	tableRun:          {"run", "", "run", "checksum; JSON Run without its live part and its last heartbeat", false},
	tableLive:         {"live", "", "run", "checksum; JSON: heartbeats by writer, progress, usage, spendings", false},
	tableGone:         {"gone", "", "run", "JSON Deletion; in memory too", false},
	tableParam:        {"param", "run", "path", "JSON Param", true},
	tableConfig:       {"config", "", "run", "checksum; config with params over it, by dotted path (config_flat.go)", false},
	tableDefinition:   {"definition", "run", "key", "JSON MetricDefined", true},
	tableWriter:       {"writer", "run", "writer", "sequence of the writer's last fact, 8 bytes", true},
	tableSeries:       {"series", "run", "key, context, writer, identity", "series number, 8 bytes", true},
	tableLast:         {"last", "key", "run, context, writer, identity", "summary of the series: count, first, last, min, max (series_summary.go)", false},
	tableChunk:        {"chunk", "series number", "lower bound: step, or step, time, value bits", "packs of sealed chunks (series_store.go, series_codec.go)", false},
	tableTail:         {"tail", "run", "series number", "the series' last chunk", false},
	tableBlock:        {"block", "series number", "level, index", "64 buckets of 2^level steps (series_pyramid.go)", false},
	tableLine:         {"line", "run", "stream, number", "time in µs, 8 bytes; text", true},
	tableRow:          {"row", "run", "stream, number", "time in µs, 8 bytes; JSON", true},
	tableText:         {"text", "run", "step, key, writer", "JSON Text", true},
	tableArtifact:     {"artifact", "run", "path, step or nothing", "JSON Artifact", true},
	tableAlert:        {"alert", "run", "seq", "JSON Alert", true},
	tableAlertOrder:   {"alert_order", "", "seq", "run", false},
	tableCheckpoint:   {"checkpoint", "run", "step", "JSON Checkpoint", true},
	tableCheckpointOf: {"checkpoint_of", "digest", "run, step", "nothing", false},
	tableEvaluation:   {"evaluation", "judged run", "step, suite, suite digest, checkpoint", "JSON Evaluation", true},
	tableEvaluationOf: {"evaluation_of", "checkpoint digest or run node of the evaluation", "judged run, step, suite, suite digest, checkpoint", "nothing", false},
	tableEdge:         {"edge", "node", "up or down, other node, role", "JSON Edge", false},
	tableExperiment:   {"experiment", "", "experiment", "JSON Experiment; in memory too", false},
	tableDataset:      {"dataset", "", "digest", "JSON Dataset; in memory too", false},
	tableAlias:        {"alias", "", "experiment, alias", "JSON Alias; in memory too", false},
	tablePrice:        {"price", "", "seq", "JSON PriceSet; in memory too", false},
	tableRule:         {"rule", "", "rule", "JSON Rule; in memory too", false},
	tableFiring:       {"firing", "rule", "seq", "JSON Firing", false},
	tableCollection:   {"collection", "", "collection", "JSON Collection", false},
	tableVersion:      {"version", "collection", "version", "JSON Version", false},
	tableInput:        {"input", "run", "up or down, role, name, digest", "JSON Input", true},
	tableSummary:      {"summary", "run", "path", "JSON value", true},
	tableSpan:         {"span", "run, or experiment:<id>", "trace, span", "time in µs, 8 bytes; JSON", true},
	tableForeign:      {"foreign", "experiment", "a script's name for its run", "run", false},
	tableStored:       {"stored", "digest", "run", "JSON: how many records of the run name the object, its size, since when, whether it counts for the run", false},
	tableFiringOrder:  {"firing_order", "", "seq", "rule", false},
	tableContest:      {"contest", "", "contest", "JSON Contest", false},
	tableVote:         {"vote", "contest", "judge, rater, vote", "JSON Vote", false},
	tableSuite:        {"suite", "", "name, version", "JSON Suite", false},
	tableSweep:        {"sweep", "", "sweep", "JSON Sweep", false},
	tableTrial:        {"trial", "sweep", "number, rung", "JSON TrialScore", false},
	tableFired:        {"fired", "rule", "run, version", "JSON Fired: how often the version fired for the run, and when last", false},
	tableKept:         {"kept", "snapshot, archive, retention or gone", "place and layout; nothing; experiment; kind and name", "JSON Snapshot, Archive, Policy; nothing", false},
}

// version names the layout of the file.
const version = 8

// maxPart bounds one string inside a key; bbolt takes keys of at most 32 KB.
const maxPart = 1024

// clip shortens a foreign name to what a key can hold, keeping different names different.
func clip(s string) string {
	if len(s) <= maxPart {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return s[:maxPart-64] + hex.EncodeToString(sum[:])
}

// appendPart writes a string so that keys sort as the strings do and no string is the beginning of another: 0x00 becomes
// 0x00 0xFF, the end is 0x00 0x01.
func appendPart(key []byte, s string) []byte {
	s = clip(s)
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			break
		}
		key = append(append(key, s[:i]...), 0, 0xFF)
		s = s[i+1:]
	}
	return append(append(key, s...), 0, 1)
}

// cutPart reads what appendPart wrote and returns the rest of the key.
func cutPart(key []byte) (string, []byte, bool) {
	var out []byte
	for i := 0; i+1 < len(key); i++ {
		if key[i] != 0 {
			continue
		}
		switch key[i+1] {
		case 1:
			if out == nil {
				return string(key[:i]), key[i+2:], true
			}
			return string(append(out, key[:i]...)), key[i+2:], true
		case 0xFF:
			out = append(append(out, key[:i]...), 0)
			key, i = key[i+2:], -1
		default:
			return "", nil, false
		}
	}
	return "", nil, false
}

// appendInt writes an integer so that keys sort as the integers do.
func appendInt(key []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(key, uint64(v)^1<<63)
}

// cutInt reads what appendInt wrote.
func cutInt(key []byte) (int64, []byte, bool) {
	if len(key) < 8 {
		return 0, nil, false
	}
	return int64(binary.BigEndian.Uint64(key) ^ 1<<63), key[8:], true
}

// parts makes the rest of a key from strings and int64s, in the order given.
func parts(values ...any) string {
	var key []byte
	for _, v := range values {
		switch v := v.(type) {
		case string:
			key = appendPart(key, v)
		case int64:
			key = appendInt(key, v)
		case uint64:
			key = binary.BigEndian.AppendUint64(key, v)
		case byte:
			key = append(key, v)
		}
	}
	return string(key)
}
