package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"millrace/client"
)

// generateCmd continues a text.
type generateCmd struct {
	Checkpoint  string   `arg:"" help:"A checkpoint of the node (RUN, RUN@STEP, RUN@last, EXPERIMENT:ALIAS, ALIAS), or a model on this disk: a folder as transformers saves it, a GGUF or llm.c file."`
	Prompt      string   `short:"p" help:"Text to go on with; - for standard input; without it the model begins a text." placeholder:"TEXT"`
	MaxTokens   int      `short:"m" help:"Most tokens to say." default:"128"`
	Temperature float64  `short:"t" help:"Divides the logits; 0 takes the likeliest token every time." default:"0.8"`
	TopK        int      `help:"Draw among so many of the likeliest; 0 among all." default:"0"`
	TopP        float64  `help:"Draw among the fewest that have this much probability together." default:"1"`
	MinP        float64  `help:"Leave out what is less likely than this times the likeliest." default:"0"`
	Repetition  float64  `name:"repetition-penalty" help:"Makes tokens that were seen less likely; 1 does nothing." default:"1"`
	Stop        []string `help:"End before this text; may be given several times." placeholder:"TEXT" sep:"none"`
	Seed        *int64   `help:"The same seed says the same text; another one each time without it." placeholder:"N"`
	N           int      `name:"n" help:"Texts to write." default:"1"`
	Chat        bool     `help:"The prompt is what a user says; the model answers, by the template of its tokenizer."`
	Weights     string   `help:"How the weights of a model on this disk are kept: f32, bf16 or q8_0." enum:"f32,bf16,q8_0" default:"f32"`
	Threads     int      `help:"Threads for a model on this disk (default: all cores)." placeholder:"N"`
}

// Run asks the node, or a server of its own for a model on this disk; both speak OpenAI's protocol.
func (cmd *generateCmd) Run(ctx context.Context, g *Global) error {
	if cmd.Prompt == "-" {
		raw, err := io.ReadAll(io.LimitReader(os.Stdin, maxText))
		if err != nil {
			return err
		}
		cmd.Prompt = string(raw)
	}
	url, model := g.client().URL(), cmd.Checkpoint
	if _, err := os.Stat(cmd.Checkpoint); err == nil {
		s, err := (&serveCmd{Models: []string{cmd.Checkpoint}, Weights: cmd.Weights, Threads: cmd.Threads}).open(ctx, g)
		if err != nil {
			return err
		}
		defer s.Close()
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: s}
		go server.Serve(listener) //nolint:errcheck // it ends with Close
		defer server.Close()
		url, model = "http://"+listener.Addr().String(), filepath.Base(cmd.Checkpoint)
		if abs, err := filepath.Abs(cmd.Checkpoint); err == nil {
			model = filepath.Base(abs)
		}
	}
	stream := !g.JSON && cmd.N == 1
	resp, err := cmd.ask(ctx, g, url, model, stream)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if stream {
		return cmd.follow(resp.Body)
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if g.JSON {
		_, err = os.Stdout.Write(raw)
		return err
	}
	var said saidAnswer
	if err := json.Unmarshal(raw, &said); err != nil {
		return fmt.Errorf("the answer has another form than was asked for: %w", err)
	}
	for i, c := range said.Choices {
		fmt.Printf("--- %d\n%s\n", i+1, c.Text+c.Message.Content)
	}
	return nil
}

// saidAnswer is what is needed of an answer, or of an event of a stream.
type saidAnswer struct {
	Choices []struct {
		Text    string
		Message struct{ Content string }
		Delta   struct{ Content string }
	}
	Error *struct{ Message string }
}

// ask sends the request.
func (cmd *generateCmd) ask(ctx context.Context, g *Global, url, model string, stream bool) (*http.Response, error) {
	body := map[string]any{
		"model": model, "max_tokens": cmd.MaxTokens, "temperature": cmd.Temperature, "top_k": cmd.TopK, "top_p": cmd.TopP, "min_p": cmd.MinP,
		"repetition_penalty": cmd.Repetition, "n": cmd.N, "stream": stream,
	}
	if len(cmd.Stop) > 0 {
		body["stop"] = cmd.Stop
	}
	if cmd.Seed != nil {
		body["seed"] = *cmd.Seed
	}
	path := "/v1/completions"
	if body["prompt"] = cmd.Prompt; cmd.Chat {
		delete(body, "prompt")
		path, body["messages"] = "/v1/chat/completions", []map[string]string{{"role": "user", "content": cmd.Prompt}}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, strings.NewReader(string(raw)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if g.Token != "" {
		req.Header.Set("Authorization", "Bearer "+g.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w at %s: %w", client.ErrUnreachable, url, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var said saidAnswer
	said.Error = &struct{ Message string }{"the node answered " + resp.Status}
	raw, _ = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	_ = json.Unmarshal(raw, &said) // else the status is all there is to say
	code := exitFailed
	if resp.StatusCode < 500 {
		code = exitRefused
	}
	return nil, &exitError{code, fmt.Errorf("generate: %s", said.Error.Message)}
}

// follow prints a text as it is said.
func (cmd *generateCmd) follow(from io.Reader) error {
	out := bufio.NewWriter(os.Stdout)
	if !cmd.Chat {
		fmt.Fprint(out, cmd.Prompt)
	}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var said saidAnswer
		if err := json.Unmarshal([]byte(data), &said); err != nil {
			return fmt.Errorf("an event has another form than was asked for: %w", err)
		}
		if said.Error != nil {
			return fmt.Errorf("generate: %s", said.Error.Message)
		}
		for _, c := range said.Choices {
			fmt.Fprint(out, c.Text+c.Delta.Content)
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return out.Flush()
}
