package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"millrace/curator/dedup"
	"millrace/curator/filter"
	"millrace/curator/measure"
	"millrace/curator/words"
	"millrace/trainer/token"
)

// ranksModule is a Go module that has OpenAI's published rank files, which is how GPT-2's vocabulary comes without a download of its own.
const (
	ranksModule = "github.com/pkoukk/tiktoken-go-loader@v0.0.2"
	ranksFile   = "assets/r50k_base.tiktoken"
)

// Sizes.
const (
	bpeVocabulary = 32_768
	slowPeerMB    = 4 // of text for peers that take seconds for a megabyte
)

// curation measures the organ itself, on the same documents as its peers. Rates of one core are megabytes by CPU second, so that other work on the machine counts less.
func curation(ctx context.Context, b *bench) ([]Row, error) {
	t, err := english(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "curator: %d documents, %.1f MB: %s\n", len(t.docs), float64(t.size)/1e6, t.what)
	s := &curatorBench{bench: b, text: t, peers: newPeers(ctx, "curator"), docs: filepath.Join(b.tmp, "docs.jsonl")}
	if err := t.write(s.docs); err != nil {
		return nil, err
	}
	var rows []Row
	only := os.Getenv("ONLY")
	for _, m := range []struct {
		name    string
		measure func(context.Context) ([]Row, error)
	}{{"encode", s.encode}, {"train", s.train}, {"minhash", s.minhash}, {"filters", s.filters}, {"pipeline", s.pipeline}} {
		if only != "" && only != m.name {
			continue
		}
		got, err := m.measure(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range got {
			if r.Peer != "" && r.PeerValue == nil {
				r.Note += "; " + s.peers.missing
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

type curatorBench struct {
	*bench
	text  text
	peers peers
	docs  string     // file of the documents
	bpe   *token.BPE // that was trained
}

// cpuSeconds of this process.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// oneCore runs f n times on one core and returns the least CPU seconds. before, if any, is not counted.
func oneCore(n int, before, f func()) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	best := 0.0
	for range n {
		if before != nil {
			before()
		}
		runtime.GC()
		began := cpuSeconds()
		f()
		if took := cpuSeconds() - began; best == 0 || took < best {
			best = took
		}
	}
	return best
}

// gpt2Ranks finds GPT-2's ranks. outside is a folder outside of any module, so that nothing is written into one.
func gpt2Ranks(ctx context.Context, outside string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", ranksModule)
	cmd.Dir = outside
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr != nil || module.Error != "" {
		return "", fmt.Errorf("%s cannot be had: %s", ranksModule, cmp.Or(module.Error, errors.Join(err, jsonErr).Error()))
	}
	return filepath.Join(module.Dir, filepath.FromSlash(ranksFile)), nil
}

// encode is the first pass over text that was never seen, and a second one.
func (s *curatorBench) encode(ctx context.Context) ([]Row, error) {
	path, err := gpt2Ranks(ctx, s.tmp)
	if err != nil {
		fmt.Fprintln(os.Stderr, "curator/bpe_encode is left out:", err)
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all := strings.Join(s.text.docs, "\n\n")
	var tok token.Tokenizer
	var ids []int32
	first := oneCore(5, func() { tok, err = token.Parse(data) }, func() {
		if err == nil {
			ids, err = tok.Append(ids[:0], all)
		}
	})
	if err != nil {
		return nil, err
	}
	again := oneCore(3, nil, func() { ids, err = tok.Append(ids[:0], all) })
	if err != nil {
		return nil, err
	}
	mb := float64(len(all)) / 1e6
	r := Row{Name: "bpe_encode", Value: mb / first, Unit: "MB/s", Better: "higher", Bar: ptr(60), Peer: "tiktoken",
		Note: fmt.Sprintf("GPT-2's vocabulary, one thread, first pass over %.1f MB, %s; second pass %.0f; %.2f bytes a token", mb, s.text.what, mb/again, float64(len(all))/float64(len(ids)))}
	textPath, idsPath := filepath.Join(s.tmp, "all.txt"), filepath.Join(s.tmp, "ids")
	if err := os.WriteFile(textPath, []byte(all), 0o644); err != nil {
		return nil, err
	}
	peer, err := s.peers.run(ctx, 1, "tiktoken_encode.py", path, textPath, idsPath)
	if err != nil || peer == nil {
		return []Row{r}, err
	}
	r.PeerValue, r.Bar = ptr(peer.rate()), ptr(max(60, 3*peer.rate()))
	theirs, err := os.ReadFile(idsPath)
	if err != nil {
		return nil, err
	}
	ours := make([]byte, 0, len(theirs))
	for _, id := range ids {
		ours = binary.LittleEndian.AppendUint32(ours, uint32(id))
	}
	same := Row{Name: "bpe_same_ids", Value: 0, Unit: "", Better: "higher", Bar: ptr(1), Note: fmt.Sprintf("1 when all %d ids are tiktoken's", len(ids))}
	if bytes.Equal(ours, theirs) {
		same.Value = 1
	}
	return []Row{r, same}, nil
}

// learn trains the tokenizer.
func (s *curatorBench) learn(ctx context.Context) (err error) {
	s.bpe, err = token.Trainer{VocabSize: bpeVocabulary}.Train(ctx, slices.Values(s.text.docs))
	return err
}

// train is a vocabulary of 32,768 from all documents, by the clock.
func (s *curatorBench) train(ctx context.Context) ([]Row, error) {
	best := time.Duration(0)
	for range 3 {
		runtime.GC()
		began := time.Now()
		if err := s.learn(ctx); err != nil {
			return nil, err
		}
		if took := time.Since(began); best == 0 || took < best {
			best = took
		}
	}
	r := Row{Name: "bpe_train", Value: best.Seconds(), Unit: "s", Better: "lower", Peer: "tokenizers", Note: fmt.Sprintf("%d tokens from %.1f MB, %d cores, by the clock, best of 3", bpeVocabulary, float64(s.text.size)/1e6, runtime.NumCPU())}
	file := filepath.Join(s.tmp, "tokenizers.json")
	peer, err := s.peers.run(ctx, runtime.NumCPU(), "tokenizers_train.py", s.docs, fmt.Sprint(bpeVocabulary), file)
	if err != nil || peer == nil {
		return []Row{r}, err
	}
	r.PeerValue, r.Bar = ptr(peer.Seconds), ptr(peer.Seconds/5)
	same, of, err := sameMerges(s.bpe, file)
	r.Note += fmt.Sprintf("; the first %d of %d merges are the same", same, of)
	return []Row{r}, err
}

// sameMerges counts the merges that are the same as those of a tokenizer.json before the first that is another.
func sameMerges(ours *token.BPE, file string) (same, of int, err error) {
	merges := func(data []byte) ([][2]string, error) {
		var f struct {
			Model struct{ Merges []json.RawMessage }
		}
		if err := json.Unmarshal(data, &f); err != nil {
			return nil, err
		}
		list := make([][2]string, len(f.Model.Merges))
		for i, raw := range f.Model.Merges {
			var pair string
			if json.Unmarshal(raw, &pair) == nil {
				list[i][0], list[i][1], _ = strings.Cut(pair, " ")
			} else if err := json.Unmarshal(raw, &list[i]); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, err
	}
	theirs, err := merges(data)
	if err != nil {
		return 0, 0, err
	}
	mine, err := merges(ours.JSON())
	if err != nil {
		return 0, 0, err
	}
	of = max(len(mine), len(theirs))
	for same < min(len(mine), len(theirs)) && mine[same] == theirs[same] {
		same++
	}
	return same, of, nil
}

// prefix are the first documents that have at least mb megabytes together, as the peers' scripts count.
func (s *curatorBench) prefix(mb float64) (docs []string, size float64) {
	for i, d := range s.text.docs {
		if size += float64(len(d)) / 1e6; size >= mb {
			return s.text.docs[:i+1], size
		}
	}
	return s.text.docs, size
}

// minhash is stage 1 of finding near duplicates.
func (s *curatorBench) minhash(ctx context.Context) ([]Row, error) {
	docs, size := s.prefix(slowPeerMB)
	signer := dedup.NewSigner()
	signatures := make([]dedup.Signature, len(docs))
	signed := make([]bool, len(docs))
	took := oneCore(5, nil, func() {
		for i, d := range docs {
			signed[i] = signer.Sign(&signatures[i], d)
		}
	})
	r := Row{Name: "minhash_signatures", Value: size / took, Unit: "MB/s", Better: "higher", Bar: ptr(10), Peer: "datatrove", Note: fmt.Sprintf("112 hashes of 5 words, one core, %.1f MB", size)}
	out := filepath.Join(s.tmp, "signatures")
	spacy, err := s.peers.run(ctx, 1, "datatrove_minhash.py", s.docs, "default", fmt.Sprint(slowPeerMB/4.), out)
	if err != nil || spacy == nil {
		return []Row{r}, err
	}
	white, err := s.peers.run(ctx, 1, "datatrove_minhash.py", s.docs, "whitespace", fmt.Sprint(slowPeerMB), out)
	if err != nil {
		return nil, err
	}
	r.PeerValue = ptr(spacy.rate())
	same, of := 0, 0
	err = lines(out, func(i int, line string) {
		if i >= len(docs) {
			return
		}
		of++
		var ours []string
		if signed[i] {
			for _, h := range signatures[i] {
				ours = append(ours, fmt.Sprint(h))
			}
		}
		if strings.Join(ours, " ") == line {
			same++
		}
	})
	r.Note += fmt.Sprintf("; datatrove with white-space words %.2g MB/s, %d of its %d signatures are these", white.rate(), same, of)
	return []Row{r}, err
}

// filters is Gopher's, C4's and FineWeb's filters in a row.
func (s *curatorBench) filters(ctx context.Context) ([]Row, error) {
	var rows []Row
	for _, c := range []struct{ name, splitter, theirs string }{{"filters_default_words", words.Simple, "default"}, {"filters_same_words", words.Whitespace, "whitespace"}} {
		limit := slowPeerMB / 2.
		if c.theirs != "default" { // which is faster, and all of whose decisions count
			limit = 8 * slowPeerMB
		}
		docs, size := s.prefix(limit)
		verdicts, took, err := judge(docs, c.splitter, 5)
		if err != nil {
			return nil, err
		}
		r := Row{Name: c.name, Value: size / took, Unit: "MB/s", Better: "higher", Peer: "datatrove", Note: fmt.Sprintf("Gopher, C4, FineWeb, one core, %d documents, %.1f MB; words: %s", len(docs), size, c.splitter)}
		out := filepath.Join(s.tmp, c.name)
		peer, err := s.peers.run(ctx, 1, "datatrove_filters.py", s.docs, c.theirs, fmt.Sprint(limit), out)
		if err != nil {
			return nil, err
		}
		if peer == nil {
			rows = append(rows, r)
			continue
		}
		r.PeerValue, r.Bar = ptr(peer.rate()), ptr(20*peer.rate())
		r.Note += fmt.Sprintf("; %.0f times", r.Value/peer.rate())
		same, of, keeps := 0, 0, 0
		if err := lines(out, func(i int, line string) {
			of++
			if !strings.HasPrefix(line, "- ") {
				line = dropped
			} else {
				keeps++
			}
			if i < len(verdicts) && verdicts[i] == line {
				same++
			}
		}); err != nil {
			return nil, err
		}
		note := fmt.Sprintf("%d of %d decisions are the same, the text that is kept included; datatrove keeps %d", same, of, keeps)
		if c.theirs == "default" {
			r.Note += "; " + note
			rows = append(rows, r)
			continue
		}
		rows = append(rows, r, Row{Name: "filters_same_decisions", Value: float64(same) / float64(max(of, 1)), Better: "higher", Bar: ptr(0.999), Note: note})
	}
	return rows, nil
}

// dropped is the verdict on a document that is not kept.
const dropped = "dropped"

// judge decides documents on one core, the best of times: dropped, or "- " and the digest of the text that is kept.
func judge(docs []string, splitter string, times int) (verdicts []string, seconds float64, err error) {
	repetition, quality, c4, fineweb := filter.DefaultGopherRepetition(), filter.DefaultGopherQuality(), filter.DefaultC4(), filter.DefaultFineWeb()
	chain := filter.Chain{Words: splitter, GopherRepetition: &repetition, GopherQuality: &quality, C4: &c4, FineWeb: &fineweb}
	options, err := chain.Options()
	if err != nil {
		return nil, 0, err
	}
	measurer, decider := measure.New(options), filter.NewDecider(chain)
	kept, keep := make([]string, len(docs)), make([]bool, len(docs))
	seconds = oneCore(times, nil, func() {
		for i, d := range docs {
			var v measure.Values
			v, kept[i] = measurer.Measure(d)
			_, keep[i] = decider.Decide(&v, [sha256.Size]byte{})
		}
	})
	for i := range docs {
		verdict := dropped
		if keep[i] {
			sum := sha256.Sum256([]byte(kept[i]))
			verdict = "- " + hex.EncodeToString(sum[:])
		}
		verdicts = append(verdicts, verdict)
	}
	return verdicts, seconds, nil
}

// lines calls f with each line of a file.
func lines(path string, f func(i int, line string)) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	r := bufio.NewReader(file)
	for i := 0; ; i++ {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return nil
		} else if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		f(i, strings.TrimSuffix(line, "\n"))
	}
}
