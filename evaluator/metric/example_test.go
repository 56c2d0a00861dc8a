package metric_test

import (
	"fmt"

	"millrace/evaluator/metric"
)

func Example() {
	corpus := metric.NewCorpus(metric.BLEU{})
	for _, pair := range [][2]string{{"the cat sat on the mat", "the cat sat on a mat"}, {"it rains in the north", "it rains in the north"}} {
		if _, err := corpus.Add(pair[0], pair[1]); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Printf("%.2f %s\n", corpus.Score(), corpus.Signature())
	// Output: 74.19 nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0
}
