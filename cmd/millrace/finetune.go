package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"millrace/client"
	"millrace/trainer/token"
)

// finetuneCmd trains a model further.
type finetuneCmd struct {
	Base       string   `arg:"" help:"Checkpoint to begin at: RUN (its last), RUN@STEP, an alias such as best, or a digest."`
	Data       string   `arg:"" name:"dataset|file" help:"What to learn from: a dataset (name or digest), or a file of JSON lines."`
	Objective  string   `help:"What to learn: ${enum}." enum:"text,chat,classify,dpo,translate" default:"chat"`
	LoRA       string   `name:"lora" help:"Learn adapters beside frozen weights, e.g. rank=8,alpha=16,targets=attention." placeholder:"KEY=VALUE,…"`
	Template   string   `help:"How conversations are written: chatml or llama3. With it pairs for dpo are conversations." placeholder:"NAME"`
	Config     string   `help:"Configuration, YAML or JSON." type:"existingfile" placeholder:"FILE"`
	Set        []string `short:"s" help:"One setting, e.g. -s steps=200 -s optimizer.lr=1e-5." placeholder:"KEY=VALUE" sep:"none"`
	Name       string   `help:"Name of the run."`
	Experiment string   `short:"e" help:"Experiment it belongs to; a new name opens one."`
	Suites     []string `help:"Suites to judge every checkpoint on; \"none\" for none. Left out: the experiment's, if it has any." placeholder:"NAME,…"`
	Engine     string   `help:"Device: auto, cpu or cpu-reference." default:"auto"`
	Dollars    float64  `help:"Budget: it is asked to stop when so much is spent, and can be resumed with more." placeholder:"N"`
	Detach     bool     `short:"d" help:"Do not wait for the end."`
}

// Help is shown below the usage.
func (finetuneCmd) Help() string {
	return `What is learnt, and from what (docs/finetune.md):

  --objective chat       answers: a dataset curated with chat_template, or a file of {"messages":[{"role","content"}]} or
                         {"instruction","input","output"}, which is curated with the base's tokenizer first
  --objective text       a dataset of text
  --objective classify   a file of {"text","label"}
  --objective dpo        a file of {"prompt","chosen","rejected"}
  --objective translate  a file of {"source","target"}, for a t5

  millrace finetune base chat.jsonl --lora rank=8
  millrace finetune base@best mails.jsonl --objective classify -s steps=500
  millrace curate letters.jsonl --tokenizer-of base       a dataset that base can be trained on`
}

func (cmd *finetuneCmd) Run(ctx context.Context, g *Global) error {
	config, err := cmd.config()
	if err != nil {
		return err
	}
	in, err := cmd.input(ctx, g)
	if err != nil {
		return err
	}
	return start(ctx, g, client.StartRun{
		Kind: "FINETUNE", Name: cmd.Name, Experiment: cmd.Experiment, Config: config, Engine: cmd.Engine, Suites: suitesNamed(cmd.Suites),
		Inputs: []client.Input{{Role: "base", Digest: cmd.Base}, in}, Budget: atMost(cmd.Dollars),
	}, cmd.Detach)
}

// config is the configuration with what the flags say.
func (cmd *finetuneCmd) config() (json.RawMessage, error) {
	config := json.RawMessage(`{}`)
	var err error
	if cmd.Config != "" {
		if config, err = readConfig(cmd.Config); err != nil {
			return nil, err
		}
	}
	var set []string
	switch cmd.Objective {
	case "classify", "translate":
		set = append(set, "objective="+cmd.Objective)
	case "dpo":
		set = append(set, "objective=preference")
		if cmd.Template != "" {
			set = append(set, "finetune.chat_template="+cmd.Template)
		}
	}
	if cmd.LoRA != "" {
		// Targets have commas in them: what has no = belongs to what is before it.
		for _, part := range strings.Split(cmd.LoRA, ",") {
			if strings.Contains(part, "=") {
				set = append(set, "finetune.lora."+part)
			} else if len(set) > 0 && strings.HasPrefix(set[len(set)-1], "finetune.lora.") {
				set[len(set)-1] += "," + part
			} else {
				return nil, &exitError{exitUsage, fmt.Errorf("--lora %q is not of the form rank=8,alpha=16", cmd.LoRA)}
			}
		}
	}
	return withSettings(config, append(set, cmd.Set...))
}

// maxExamples bounds a file of examples, in bytes.
const maxExamples = 1 << 30

// input is what the run reads beside its base. A file of conversations is made a dataset of; one of examples is stored.
func (cmd *finetuneCmd) input(ctx context.Context, g *Global) (client.Input, error) {
	info, err := os.Stat(cmd.Data)
	file := err == nil && info.Mode().IsRegular()
	switch {
	case cmd.Objective == "text" || cmd.Objective == "chat" && !file:
		return client.Input{Role: "dataset", Digest: cmd.Data}, nil
	case cmd.Objective == "chat":
		dataset, err := cmd.curate(ctx, g)
		return client.Input{Role: "dataset", Digest: dataset}, err
	case err != nil:
		return client.Input{}, &exitError{exitUsage, fmt.Errorf("finetune: objective %s reads a file: %w", cmd.Objective, err)}
	case !file || info.Size() > maxExamples:
		return client.Input{}, &exitError{exitUsage, fmt.Errorf("finetune: %s is not a file of at most %d bytes", cmd.Data, maxExamples)}
	}
	raw, err := os.ReadFile(cmd.Data)
	if err != nil {
		return client.Input{}, err
	}
	digest, err := g.client().PutBlob(ctx, raw)
	return client.Input{Role: "examples", Digest: string(digest)}, err
}

// curate makes a dataset of a file of conversations, with the base's tokenizer.
func (cmd *finetuneCmd) curate(ctx context.Context, g *Global) (string, error) {
	path, err := filepath.Abs(cmd.Data) // the worker may stand in another directory
	if err != nil {
		return "", err
	}
	template := token.ChatTemplate(cmd.Template)
	if template == "" {
		template = token.ChatML
	}
	if template.Special() == nil {
		return "", &exitError{exitUsage, fmt.Errorf("--template %q is not known: want %s or %s", template, token.ChatML, token.Llama3Chat)}
	}
	c := g.client()
	recipe, err := json.Marshal(map[string]any{
		"name": strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), "sources": []map[string]any{{"chat": path}},
		"chat_template": template, "pack_length": contextOf(ctx, c, cmd.Base), "tokenizer": map[string]any{"special": template.Special()},
	})
	if err != nil {
		return "", err
	}
	run, err := c.Start(ctx, client.StartRun{Kind: "CURATE", Config: recipe, Inputs: []client.Input{{Role: "base", Digest: cmd.Base}}, By: os.Getenv("USER")})
	if err != nil {
		return "", err
	}
	if run, err = follow(ctx, c, run.ID, g.JSON); err != nil {
		return "", err
	}
	if run.Status != "FINISHED" {
		return "", runFailed(run)
	}
	dataset := run.Output("dataset")
	if dataset == "" {
		return "", errors.New("finetune: the curation made no dataset")
	}
	return dataset, nil
}

// contextOf is how many tokens a base sees at once, so that no conversation is cut; 0 where its run does not say.
func contextOf(ctx context.Context, c *client.Client, base string) int {
	id, _, _ := strings.Cut(base, "@")
	run, err := c.Find(ctx, id)
	if err != nil {
		return 0 // the node knows more names than the client
	}
	var config struct {
		Model struct {
			Context int `json:"context"`
		} `json:"model"`
	}
	if json.Unmarshal(run.Config, &config) != nil || config.Model.Context < 2 {
		return 0
	}
	return config.Model.Context
}
