package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints a script that completes commands and flags.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (cmd *completionCmd) Run(app *kong.Application) error {
	words := map[string][]string{"": flags(app.Node)}
	for _, c := range app.Children {
		words[""] = append(words[""], c.Name)
		words[c.Name] = append(flags(c), flags(app.Node)...)
	}
	if cmd.Shell == "fish" {
		return fish(os.Stdout, app)
	}
	return bash(os.Stdout, app, words, cmd.Shell == "zsh")
}

func flags(n *kong.Node) (out []string) {
	for _, f := range n.Flags {
		out = append(out, "--"+f.Name)
	}
	return out
}

// bash prints a script for bash; zsh understands it through bashcompinit.
func bash(w io.Writer, app *kong.Application, words map[string][]string, zsh bool) error {
	if zsh {
		fmt.Fprintln(w, "autoload -U +X bashcompinit && bashcompinit")
	}
	fmt.Fprintln(w, "_millrace() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" words\n  case \"${COMP_WORDS[1]}\" in")
	for _, c := range app.Children {
		fmt.Fprintf(w, "    %s) words=%q ;;\n", c.Name, strings.Join(words[c.Name], " "))
	}
	_, err := fmt.Fprintf(w, "    *) words=%q ;;\n  esac\n  COMPREPLY=( $(compgen -W \"$words\" -- \"$cur\") )\n}\ncomplete -o default -F _millrace millrace\n", strings.Join(words[""], " "))
	return err
}

// fish prints a script for fish.
func fish(w io.Writer, app *kong.Application) error {
	for _, c := range app.Children {
		fmt.Fprintf(w, "complete -c millrace -n __fish_use_subcommand -a %s -d %q\n", c.Name, c.Help)
		for _, f := range c.Flags {
			fmt.Fprintf(w, "complete -c millrace -n '__fish_seen_subcommand_from %s' -l %s -d %q\n", c.Name, f.Name, f.Help)
		}
	}
	for _, f := range app.Flags {
		if _, err := fmt.Fprintf(w, "complete -c millrace -l %s -d %q\n", f.Name, f.Help); err != nil {
			return err
		}
	}
	return nil
}
