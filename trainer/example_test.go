package trainer_test

import (
	"bytes"
	"context"
	"fmt"

	"millrace/trainer"
	"millrace/trainer/data"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
)

// A training from a config to a model that continues a text.
func ExampleRun() {
	config, err := trainer.Parse([]byte(`{
		"model": {"n_layer": 1, "n_head": 2, "d_model": 16, "context": 8, "vocab_size": 4},
		"batch_size": 4, "steps": 60, "optimizer": {"lr": 0.01}, "seed": 1
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	text := make(data.IDs, 400) // 0 1 2 3 0 1 2 3 …
	for i := range text {
		text[i] = int32(i % 4)
	}
	kept := newMemory() // a Recorder
	result, err := trainer.Run(context.Background(), trainer.Job{
		Config: config, Kernels: cpu.Reference(), Train: text[:320], Val: text[320:], Recorder: kept,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("steps:", result.Step, "learnt:", result.ValLoss < 0.3)

	files := kept.checkpoints[result.Step]
	arch, err := model.ParseHuggingFace(files[trainer.ConfigFile])
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := model.Read(arch, cpu.Reference(), bytes.NewReader(files[trainer.ModelFile]))
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := m.Generate(context.Background(), []int32{1, 2}, 5, model.Sampling{})
	fmt.Println(next, err)
	// Output:
	// steps: 60 learnt: true
	// [3 0 1 2 3] <nil>
}
