package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"millrace/trainer/token"
)

// tokenizerCmd works with tokenizers alone; it needs no node.
type tokenizerCmd struct {
	Train   tokenizerTrainCmd   `cmd:"" help:"Train a tokenizer on files or standard input; its file goes to standard output or --out."`
	Encode  tokenizerEncodeCmd  `cmd:"" help:"Turn text on standard input into ids on standard output."`
	Decode  tokenizerDecodeCmd  `cmd:"" help:"Turn ids on standard input into text on standard output."`
	Inspect tokenizerInspectCmd `cmd:"" help:"Say what a tokenizer's file holds; --write converts it."`
}

// maxText bounds what is read from standard input at once, as a whole is kept in memory.
const maxText = 1 << 30

// tokenizerFile names a tokenizer's file and what the file does not say.
type tokenizerFile struct {
	Tokenizer string   `required:"" placeholder:"FILE" help:"Hugging Face's tokenizer.json, a tiktoken rank file, GPT-2's vocab.json, or a file of \"tokenizer train\"; a folder that holds one; or the word byte."`
	Format    string   `enum:"auto,huggingface,tiktoken,gpt2,millrace" default:"auto" help:"Format of the file: auto, huggingface, tiktoken, gpt2 or millrace."`
	Merges    string   `placeholder:"FILE" help:"merges.txt of a vocab.json (default: beside it)."`
	Pattern   string   `help:"Pattern of a rank file that is none of OpenAI's: gpt2, cl100k, o200k or llama3."`
	Special   []string `placeholder:"NAME=ID" sep:"none" help:"A special token of a rank file; may be repeated."`
}

// open reads the tokenizer.
func (f tokenizerFile) open() (token.Tokenizer, error) {
	if f.Tokenizer == "byte" {
		return token.NewByte(), nil
	}
	path := f.Tokenizer
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		for _, name := range []string{"tokenizer.json", "vocab.json"} {
			if _, err := os.Stat(filepath.Join(f.Tokenizer, name)); err == nil {
				path = filepath.Join(f.Tokenizer, name)
				break
			}
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	tok, err := f.parse(path, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return tok, nil
}

func (f tokenizerFile) parse(path string, data []byte) (token.Tokenizer, error) {
	switch cmp.Or(strings.TrimPrefix(f.Format, "auto"), guess(data)) {
	case "tiktoken":
		return f.parseRanks(data)
	case "gpt2":
		merges, err := os.ReadFile(cmp.Or(f.Merges, filepath.Join(filepath.Dir(path), "merges.txt")))
		if err != nil {
			return nil, fmt.Errorf("a vocabulary without its merges: %w; name them with --merges", err)
		}
		return token.ParseGPT2(data, merges)
	case "huggingface":
		return token.ParseHuggingFace(data)
	}
	return token.Parse(data)
}

// guess tells the formats apart by what is in the file.
func guess(data []byte) string {
	switch {
	case token.IsRankFile(data):
		return "tiktoken"
	case json.Unmarshal(data, new(map[string]int64)) == nil:
		return "gpt2"
	}
	return "millrace"
}

func (f tokenizerFile) parseRanks(data []byte) (token.Tokenizer, error) {
	encoding, published := token.PublishedEncoding(data)
	if f.Pattern != "" {
		encoding.Pattern = token.Pattern(f.Pattern)
	} else if !published {
		return nil, &exitError{exitUsage, errors.New("this rank file is none of OpenAI's: name its --pattern (gpt2, cl100k, o200k or llama3)")}
	}
	if len(f.Special) > 0 {
		encoding.Special = nil
	}
	for _, s := range f.Special {
		at := strings.LastIndexByte(s, '=')
		if at <= 0 {
			return nil, &exitError{exitUsage, fmt.Errorf("--special %q: want NAME=ID", s)}
		}
		id, err := strconv.ParseInt(s[at+1:], 10, 32)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("--special %q: want NAME=ID", s)}
		}
		encoding.Special = append(encoding.Special, token.Special{Name: s[:at], ID: int32(id)})
	}
	return token.ParseTiktoken(data, encoding.Pattern, encoding.Special)
}

// readText reads standard input to its end.
func readText() (string, error) {
	data, err := io.ReadAll(io.LimitReader(os.Stdin, maxText+1))
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	if len(data) > maxText {
		return "", fmt.Errorf("standard input has more than %s: cut it into parts, or use \"millrace curate\" for datasets", bytes(maxText))
	}
	return string(data), nil
}

// tokenizerTrainCmd trains a tokenizer.
type tokenizerTrainCmd struct {
	Files   []string `arg:"" optional:"" type:"existingfile" help:"Text files; each is one document (default: standard input)."`
	Format  string   `enum:"bpe,word,char" default:"bpe" help:"bpe, word or char."`
	Vocab   int      `default:"32768" help:"Size of the vocabulary, special tokens included."`
	Pattern string   `enum:"gpt2,cl100k,o200k,llama3" default:"gpt2" help:"How text is cut before pairs are merged: gpt2, cl100k, o200k or llama3."`
	Special []string `placeholder:"NAME" sep:"none" help:"Add a special token; may be repeated."`
	Chat    string   `enum:",chatml,llama3" default:"" help:"Add the special tokens of a chat template: chatml or llama3."`
	Out     string   `placeholder:"FILE" help:"Write the tokenizer's file here."`
	Workers int      `help:"Goroutines that count words (default: one a core)."`
}

func (cmd *tokenizerTrainCmd) Run(ctx context.Context, g *Global) error {
	var failed error
	trainer := token.Trainer{VocabSize: cmd.Vocab, Pattern: token.Pattern(cmd.Pattern), Workers: cmd.Workers,
		Special: slices.Concat(token.ChatTemplate(cmd.Chat).Special(), cmd.Special)}
	tok, err := cmd.train(ctx, trainer, documents(cmd.Files, &failed))
	if err = cmp.Or(failed, err); err != nil {
		return err
	}
	if cmd.Out == "" {
		_, err := os.Stdout.Write(tok.JSON())
		return err
	}
	if err := os.WriteFile(cmd.Out, tok.JSON(), 0o644); err != nil {
		return err
	}
	return describe(g, tok)
}

func (cmd *tokenizerTrainCmd) train(ctx context.Context, trainer token.Trainer, docs iter.Seq[string]) (token.Tokenizer, error) {
	switch cmd.Format {
	case "word":
		return trainer.TrainWords(ctx, docs)
	case "char":
		if len(trainer.Special) > 0 {
			return nil, &exitError{exitUsage, errors.New("a char tokenizer has no special tokens of your own")}
		}
		set := map[rune]bool{}
		for text := range docs {
			for _, r := range text {
				set[r] = true
			}
		}
		var chars []rune
		for r := range set {
			chars = append(chars, r)
		}
		return token.NewChar(chars)
	}
	return trainer.Train(ctx, docs)
}

// documents yields the files' texts, or standard input's; an error ends it and goes to failed.
func documents(files []string, failed *error) iter.Seq[string] {
	return func(yield func(string) bool) {
		if len(files) == 0 {
			text, err := readText()
			if *failed = err; err == nil {
				yield(text)
			}
			return
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if *failed = err; err != nil || !yield(string(data)) {
				return
			}
		}
	}
}

// tokenizerEncodeCmd encodes.
type tokenizerEncodeCmd struct {
	tokenizerFile
	WithSpecial bool   `help:"Turn names of special tokens in the text into their ids."`
	Chat        string `enum:",chatml,llama3" default:"" help:"Standard input is conversations, one a line: [{\"role\":…,\"content\":…},…]. Write each by this template (chatml or llama3); --json shows the loss mask."`
	Answer      bool   `help:"With --chat: end with the beginning of an assistant's message."`
}

func (cmd *tokenizerEncodeCmd) Run(g *Global) error {
	tok, err := cmd.open()
	if err != nil {
		return err
	}
	text, err := readText()
	if err != nil {
		return err
	}
	if cmd.Chat != "" {
		return cmd.chat(g, tok, text)
	}
	encode := tok.Append
	if cmd.WithSpecial {
		encode = func(dst []int32, text string) ([]int32, error) { return token.AppendWithSpecial(tok, dst, text) }
	}
	ids, err := encode([]int32{}, text)
	if err != nil {
		return err
	}
	return g.print(struct {
		IDs []int32 `json:"ids"`
	}{ids}, func(w io.Writer) error { return writeIDs(w, ids) })
}

// chat encodes one conversation a line.
func (cmd *tokenizerEncodeCmd) chat(g *Global, tok token.Tokenizer, text string) error {
	line := 0
	for row := range strings.Lines(text) {
		line++
		if strings.TrimSpace(row) == "" {
			continue
		}
		var messages []token.Message
		if err := json.Unmarshal([]byte(row), &messages); err != nil {
			return fmt.Errorf("line %d of standard input: want [{\"role\":…,\"content\":…},…]: %w", line, err)
		}
		c, err := token.ChatTemplate(cmd.Chat).Encode(tok, messages, cmd.Answer)
		if err != nil {
			return fmt.Errorf("line %d of standard input: %w", line, err)
		}
		if err := g.print(c, func(w io.Writer) error { return writeIDs(w, c.IDs) }); err != nil {
			return err
		}
	}
	return nil
}

// writeIDs writes ids with spaces between them and a newline at the end.
func writeIDs(w io.Writer, ids []int32) error {
	b := bufio.NewWriterSize(w, 1<<16)
	var digits []byte
	for i, id := range ids {
		digits = digits[:0]
		if i > 0 {
			digits = append(digits, ' ')
		}
		if _, err := b.Write(strconv.AppendInt(digits, int64(id), 10)); err != nil {
			return err
		}
	}
	if err := b.WriteByte('\n'); err != nil {
		return err
	}
	return b.Flush()
}

// tokenizerDecodeCmd decodes.
type tokenizerDecodeCmd struct {
	tokenizerFile
}

func (cmd *tokenizerDecodeCmd) Run(g *Global) error {
	tok, err := cmd.open()
	if err != nil {
		return err
	}
	text, err := readText()
	if err != nil {
		return err
	}
	var ids []int32
	for field := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,[]", r) }) {
		id, err := strconv.ParseInt(field, 10, 32)
		if err != nil {
			return fmt.Errorf("id %d on standard input: %.40q is no number from 0 to %d", len(ids)+1, field, tok.VocabSize()-1)
		}
		ids = append(ids, int32(id))
	}
	out, err := token.Decode(tok, ids)
	if err != nil {
		return err
	}
	return g.print(struct {
		Text string `json:"text"`
	}{string(out)}, func(w io.Writer) error {
		_, err := w.Write(out)
		return err
	})
}

// tokenizerInspectCmd describes a file.
type tokenizerInspectCmd struct {
	tokenizerFile
	Write string `placeholder:"FILE" help:"Write it as this program stores it: BPE as Hugging Face's tokenizer.json."`
}

func (cmd *tokenizerInspectCmd) Run(g *Global) error {
	tok, err := cmd.open()
	if err != nil {
		return err
	}
	if cmd.Write != "" {
		if err := os.WriteFile(cmd.Write, tok.JSON(), 0o644); err != nil {
			return err
		}
	}
	return describe(g, tok)
}

// tokenizerFacts is what inspect tells.
type tokenizerFacts struct {
	Kind      token.Kind      `json:"kind"`
	Pattern   token.Pattern   `json:"pattern,omitempty"`
	VocabSize int             `json:"vocab_size"`
	Merges    int             `json:"merges,omitempty"`
	Longest   int             `json:"longest_token_bytes"`
	EndOfText int32           `json:"end_of_text"`
	Special   []token.Special `json:"special"`
	Digest    string          `json:"digest"`
}

func describe(g *Global, tok token.Tokenizer) error {
	f := tokenizerFacts{Kind: tok.Kind(), VocabSize: tok.VocabSize(), EndOfText: tok.EndOfText(), Special: tok.Special(), Digest: token.ID(tok)}
	if t, ok := tok.(interface{ Pattern() token.Pattern }); ok {
		f.Pattern = t.Pattern()
	}
	if t, ok := tok.(interface{ Merges() int }); ok {
		f.Merges = t.Merges()
	}
	f.Longest = int(slices.Max(token.ByteLengths(tok)))
	return g.print(f, func(w io.Writer) error {
		rows := [][]string{{"kind", string(f.Kind)}, {"pattern", cmp.Or(string(f.Pattern), "-")}, {"vocabulary", strconv.Itoa(f.VocabSize)},
			{"merges", strconv.Itoa(f.Merges)}, {"longest token", bytes(int64(f.Longest))}, {"digest", f.Digest}}
		for _, s := range f.Special {
			rows = append(rows, []string{"special", fmt.Sprintf("%d %s", s.ID, s.Name)})
		}
		return table(w, rows)
	})
}
