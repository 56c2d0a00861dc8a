package exchange

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"

	"millrace/trainer/model/llmc"
)

// WriteFile writes a file whole or not at all: under another name first, which it then takes.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".millrace-*")
	if err != nil {
		return wrong("%w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	b := bufio.NewWriterSize(f, 1<<20)
	err = write(b)
	if err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func isLLMC(begin []byte) bool { return llmc.Is(begin) }
