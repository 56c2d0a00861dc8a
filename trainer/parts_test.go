package trainer_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"testing"

	"millrace/trainer"
	"millrace/trainer/engine/cpu"
)

// parted remembers the digests of the parts of each model file.
type parted struct {
	*memory
	t    *testing.T
	list [][][32]byte
}

func (p *parted) Checkpoint(_ context.Context, c trainer.Checkpoint) error {
	for _, f := range c.Files {
		if f.Name != trainer.ModelFile {
			if f.Parts != nil {
				p.t.Errorf("%s is told in %d parts, and nothing of it stays", f.Name, len(f.Parts))
			}
			continue
		}
		raw := make([]byte, f.Size)
		if _, err := io.ReadFull(io.NewSectionReader(f.Body, 0, f.Size), raw); err != nil {
			return err
		}
		if header := 8 + int64(binary.LittleEndian.Uint64(raw)); f.Parts[0] != header {
			p.t.Errorf("the first part has %d bytes, the header %d", f.Parts[0], header)
		}
		var sums [][32]byte
		for _, n := range f.Parts {
			sums, raw = append(sums, sha256.Sum256(raw[:n])), raw[n:]
		}
		if len(raw) != 0 {
			p.t.Errorf("%d bytes are in no part", len(raw))
		}
		p.list = append(p.list, sums)
	}
	return nil
}

// The parts of a model's file are its header and its tensors: what a checkpoint has in common with the one before is then the same parts. Adapters
// of attention leave tables, norms and the feed-forward part as they are; without them everything moves.
func TestPartsOfAModelFileThatStay(t *testing.T) {
	for _, adapted := range []bool{false, true} {
		c := tiny()
		c.Steps, c.CheckpointEvery = 4, 2
		p := &parted{memory: newMemory(), t: t}
		j := job(c, cpu.Reference(), nil)
		if adapted {
			base := newMemory()
			if _, err := trainer.Run(t.Context(), job(c, cpu.Reference(), base)); err != nil {
				t.Fatal(err)
			}
			j = job(c, cpu.Reference(), nil)
			j.Config.Finetune.LoRA.Rank, j.Config.Finetune.LoRA.Targets = 2, "attention"
			j.Init = base.open(4)
		}
		j.Recorder = p
		if _, err := trainer.Run(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if len(p.list) != 2 {
			t.Fatalf("%d checkpoints", len(p.list))
		}
		same, other := 0, 0
		for i := range p.list[0] {
			if i > 0 && p.list[0][i] == p.list[1][i] {
				same++
			} else {
				other++
			}
		}
		// Of a layer's tensors two weights of attention are adapted; the header stays too, but is not counted.
		if want := 1 + 2*c.Model.NLayer; adapted && other != want || !adapted && same != 0 {
			t.Errorf("adapted %v: %d parts stay, %d change", adapted, same, other)
		}
	}
}
