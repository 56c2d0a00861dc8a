package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"millrace/client"
	"millrace/curator"
)

// curateCmd makes datasets and answers questions about them. Without a word for what to do, it makes one.
type curateCmd struct {
	Make     makeCmd     `cmd:"" default:"withargs" help:"Make a dataset; the word may be left out."`
	Why      whyCmd      `cmd:"" help:"Tell why a document, or a text, is in a dataset or is not."`
	Redecide redecideCmd `cmd:"" help:"Show what other thresholds would keep and drop, without reading the text again."`
	Text     textCmd     `cmd:"" help:"Print a document as it is in the shards, as it was read, or what was changed."`
	Report   reportCmd   `cmd:"" help:"Show what a dataset is made of, and what was dropped and why."`
}

// Help is shown below the usage.
func (curateCmd) Help() string {
	return `  millrace curate recipe.yaml           make a dataset as the recipe says
  millrace curate DIR …                 make one of folders of text, .jsonl, .csv, .parquet or .warc files
  millrace curate make --help           the flags of both
  millrace curate why mill docs/a.txt   why is this document in it, or not?

A folder that is called like a command is meant where it stands alone; otherwise write ./text.`
}

// folderFirst lets "curate text" be what it was before there was a command text, where there is a folder of that name: no command
// of curate can do without an argument.
func folderFirst(args []string) []string {
	if len(args) < 2 || args[0] != "curate" || !slices.Contains([]string{"why", "redecide", "text", "report"}, args[1]) {
		return args
	}
	if len(args) > 2 && (!strings.HasPrefix(args[2], "-") || args[2] == "-h" || args[2] == "--help") {
		return args
	}
	if info, err := os.Stat(args[1]); err != nil || !info.IsDir() {
		return args
	}
	return slices.Insert(slices.Clone(args), 1, "make")
}

// makeCmd makes a dataset.
type makeCmd struct {
	Sources []string `arg:"" optional:"" name:"recipe|dir" help:"A recipe (.yaml, .yml, .json), or folders of text and files of records (.jsonl, .csv, .parquet, .warc, packed or not), here or in s3://."`
	Recipe  string   `help:"Recipe, YAML or JSON; names everything itself." type:"existingfile" placeholder:"FILE"`
	Name    string   `help:"Name of the dataset (default: the folder's)."`
	Include []string `help:"Patterns of files to read, e.g. *.go,*.md." placeholder:"GLOB,…"`
	Limit   string   `help:"Take at most so much text, e.g. 10MB." placeholder:"SIZE"`
	Vocab   int      `help:"Size of the tokenizer's vocabulary." default:"4096" placeholder:"N"`
	Detach  bool     `short:"d" help:"Do not wait for the end."`

	HeldOutBy   string `help:"What no model is trained on: whole documents, or the tail of the text, which is right for one file or a few." enum:"document,tail" default:"document" placeholder:"document|tail"`
	TokenizerOf string `help:"Take the tokenizer of a checkpoint (RUN, RUN@STEP, an alias), so that its model can be trained further." placeholder:"RUN"`
}

func (cmd *makeCmd) Run(ctx context.Context, g *Global) error {
	config, err := cmd.recipe()
	if err != nil {
		return err
	}
	s := client.StartRun{Kind: "CURATE", Name: cmd.Name, Config: config}
	if cmd.TokenizerOf != "" {
		s.Inputs = []client.Input{{Role: "base", Digest: cmd.TokenizerOf}}
	}
	return start(ctx, g, s, cmd.Detach)
}

// recipe is the file, or one made from the arguments.
func (cmd *makeCmd) recipe() (json.RawMessage, error) {
	file := cmd.Recipe
	if file == "" && len(cmd.Sources) == 1 && isRecipe(cmd.Sources[0]) {
		file, cmd.Sources = cmd.Sources[0], nil
	}
	switch {
	case file != "" && len(cmd.Sources) > 0:
		return nil, &exitError{exitUsage, fmt.Errorf("curate: a recipe names its sources itself: leave out %q", cmd.Sources)}
	case slices.ContainsFunc(cmd.Sources, isRecipe):
		return nil, &exitError{exitUsage, fmt.Errorf("curate: a recipe stands alone: %q", cmd.Sources)}
	case file != "":
		return readConfig(file)
	case len(cmd.Sources) == 0:
		return nil, &exitError{exitUsage, fmt.Errorf("curate: name a recipe, or a folder of text")}
	}
	limit, err := parseSize(cmd.Limit)
	if err != nil {
		return nil, err
	}
	folders := make([]string, len(cmd.Sources))
	for i, f := range cmd.Sources { // the worker may stand in another directory
		if strings.HasPrefix(f, "s3://") {
			folders[i] = f
		} else if folders[i], err = filepath.Abs(f); err != nil {
			return nil, err
		}
	}
	if cmd.Name == "" {
		cmd.Name = strings.TrimSuffix(strings.TrimSuffix(filepath.Base(folders[0]), ".gz"), ".jsonl")
	}
	vocab := cmd.Vocab
	if cmd.TokenizerOf != "" {
		vocab = 0
	}
	return folderRecipe(cmd.Name, folders, cmd.Include, limit, vocab, cmd.HeldOutBy)
}

// isRecipe tells whether an argument is a recipe and no source.
func isRecipe(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// sourceKey is the key of a recipe's source that reads a path.
func sourceKey(path string) string {
	name := strings.ToLower(path)
	for _, packed := range []string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, packed)
	}
	switch filepath.Ext(name) {
	case ".jsonl", ".ndjson":
		return "jsonl"
	case ".csv", ".tsv":
		return "csv"
	case ".parquet":
		return "parquet"
	case ".warc", ".wet":
		return "warc"
	}
	return "folder"
}

// folderRecipe is the recipe of some folders and files with everything else left to its default. vocab 0 says nothing of the tokenizer.
func folderRecipe(name string, paths, include []string, limit int64, vocab int, heldOutBy string) (json.RawMessage, error) {
	var sources []map[string]any
	for _, p := range paths {
		key := sourceKey(p)
		s := map[string]any{key: p}
		if key == "folder" && len(include) > 0 {
			s["include"] = include
		}
		sources = append(sources, s)
	}
	recipe := map[string]any{"name": name, "sources": sources, "held_out_by": heldOutBy}
	if vocab > 0 {
		recipe["tokenizer"] = map[string]any{"kind": "bpe", "vocab_size": vocab}
	}
	if limit > 0 {
		recipe["limit_bytes"] = limit
	}
	return json.Marshal(recipe)
}

// refused marks what the dataset, and not the program, is the reason of.
func refused(err error) error {
	for _, of := range []error{curator.ErrNotNoted, curator.ErrNoDocument, curator.ErrReread, curator.ErrNotKept, curator.ErrNotAsRead, curator.ErrRecipe, curator.ErrSource} {
		if errors.Is(err, of) {
			return &exitError{exitRefused, err}
		}
	}
	return err
}
