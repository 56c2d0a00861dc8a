package read

func (c *collector) humaneval(raw []byte) error {
	var row struct {
		TaskID     string `json:"task_id"`
		Prompt     string `json:"prompt"`
		Solution   string `json:"canonical_solution"`
		Test       string `json:"test"`
		EntryPoint string `json:"entry_point"`
	}
	if err := decode(raw, &row); err != nil {
		return err
	}
	if row.Prompt == "" || row.Test == "" || row.EntryPoint == "" {
		return bad("no prompt, no test or no entry_point")
	}
	return c.add(Example{
		ID: row.TaskID, Fields: map[string]string{"prompt": row.Prompt, "entry_point": row.EntryPoint}, References: []string{row.Solution},
		Program: &Program{Language: "python", Head: row.Prompt, Tail: "\n" + row.Test + "\ncheck(" + row.EntryPoint + ")\n"},
	})
}
