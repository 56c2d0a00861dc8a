package client_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"millrace/client"
	"millrace/event"
	"millrace/services/meter"
)

// TestAScriptThatIsMeasuredShowsUsageAndCost measures this process, by the meter that workers have.
func TestAScriptThatIsMeasuredShowsUsageAndCost(t *testing.T) {
	c := lab(t, "")
	m := meter.New(meter.Config{Tree: true})
	defer m.Close()
	o := options(t, c.URL())
	o.Metering = client.Metering{Meter: m, Every: 20 * time.Millisecond, Device: event.Device{Name: "a processor", Count: 3}}
	run := open(t, o)
	if err := run.Flush(soon(t)); err != nil {
		t.Fatal(err)
	}
	if err := run.End(soon(t), "", nil); err != nil {
		t.Fatal(err)
	}
	got, err := c.Run(t.Context(), run.ID())
	if err != nil || got.Cost.DeviceSeconds <= 0 || got.Cost.Dollars <= 0 {
		t.Errorf("%+v %v", got.Cost, err)
	}
	series, err := c.Series(t.Context(), []string{run.ID()}, []string{"system/rss"}, 100)
	if err != nil || len(series) != 1 || series[0].Points == 0 || !(series[0].Values[0] > 1<<20) {
		t.Errorf("%+v %v", series, err)
	}
}

// scripted is a meter of a machine with GPUs, which tests have none of.
type scripted struct{ samples chan event.Usage }

func (s scripted) Sample(context.Context) (event.Usage, error) {
	select {
	case u := <-s.samples:
		return u, nil
	default:
		return event.Usage{}, errors.New("it has ended")
	}
}

// TestGPUsAreChargedForWhileTheyAreUsed has a process use no GPU, and then two of three.
func TestGPUsAreChargedForWhileTheyAreUsed(t *testing.T) {
	c := lab(t, "")
	run := open(t, options(t, c.URL()))
	joules := func(n float64) *event.Number { v := event.Number(n); return &v }
	s := scripted{make(chan event.Usage, 3)}
	for i, own := range []int64{0, 1 << 30, 1 << 30} {
		u := event.Usage{At: int64(i + 1), CPUPercent: event.Number(math.NaN()), Joules: joules(float64(100 * i))}
		for g := range 3 {
			gpu := event.GPUUsage{Index: g, Name: "H200", MemoryTotal: 141 << 30, Joules: joules(float64(1000*i + g))}
			if g < 2 {
				gpu.OwnMemory = own
			}
			u.GPUs = append(u.GPUs, gpu)
		}
		s.samples <- u
	}
	stop := run.Measure(client.Metering{Meter: s, Every: time.Millisecond, Device: event.Device{Name: "a processor"}})
	for len(s.samples) > 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
	stop()
	if err := run.End(soon(t), "", nil); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Run struct {
			Cost struct {
				Joules  float64
				Devices []struct {
					Kind, Name string
					Seconds    float64
					Count      int
				}
			}
		}
	}
	if err := c.Do(t.Context(), `query($id: ID!) { run(id: $id) { cost { joules devices { kind name count seconds } } } }`, map[string]any{"id": run.ID()}, &got); err != nil {
		t.Fatal(err)
	}
	cost := got.Run.Cost
	if len(cost.Devices) != 2 || cost.Devices[0].Kind != "cpu" || cost.Devices[1].Name != "H200" || cost.Devices[1].Count != 2 {
		t.Fatalf("%+v", cost)
	}
	for _, d := range cost.Devices {
		if d.Seconds <= 0 {
			t.Errorf("%+v", d)
		}
	}
	if cost.Joules != 4000 { // two GPUs, twice 1000 each
		t.Errorf("%v J", cost.Joules)
	}
}
