package view

import (
	"millrace/event"
	"millrace/graph/internal/scalar"
	"millrace/storage/readmodel"
)

// Series is points of one key of one run, as parallel columns.
type Series struct{ readmodel.Series }

// Run names whose points they are.
func (s Series) Run() event.RunID { return s.SeriesInfo.Run }

// Key names what was measured.
func (s Series) Key() string { return s.SeriesInfo.Key }

// Context is the canonical JSON of a dimension set, "" for none.
func (s Series) Context() string { return s.SeriesInfo.Context }

// Writer names who logged the points.
func (s Series) Writer() event.WriterID { return s.SeriesInfo.Writer }

// Points counts what there is, before thinning.
func (s Series) Points() int64 { return s.SeriesInfo.Points }

// Thinned tells whether a value stands for more than one point.
func (s Series) Thinned() bool { return s.Downsampled }

// Steps are those of the values.
func (s Series) Steps() scalar.Integers {
	if s.Series.Steps == nil {
		return scalar.Integers{}
	}
	return s.Series.Steps
}

// Values are each point's, or each bucket's last.
func (s Series) Values() scalar.Numbers { return notNull(s.Series.Values) }

// Min is each bucket's least value; nil when nothing was thinned.
func (s Series) Min() scalar.Numbers { return s.Mins }

// Max is each bucket's greatest value; nil when nothing was thinned.
func (s Series) Max() scalar.Numbers { return s.Maxs }

// Times are seconds since 1970.
func (s Series) Times() scalar.Seconds {
	if s.Series.Times == nil {
		return scalar.Seconds{}
	}
	return s.Series.Times
}

// StepsBase64 is the steps, packed.
func (s Series) StepsBase64() scalar.Base64 { return scalar.Int64s(s.Series.Steps) }

// ValuesBase64 is the values, packed.
func (s Series) ValuesBase64() scalar.Base64 { return scalar.Float64s(s.Series.Values) }

// X is each value's place on the axis.
func (s Series) X() scalar.Numbers { return s.Series.X }

// XBase64 is X, packed; nil when there is none.
func (s Series) XBase64() scalar.Base64 { return packed(s.Series.X) }

// NoAxis says why there is no X.
func (s Series) NoAxis() *string { return notEmpty(s.Series.NoAxis) }

// Smoothed is the values, smoothed; nil when that was not asked for.
func (s Series) Smoothed() scalar.Numbers { return s.Series.Smoothed }

// SmoothedBase64 is Smoothed, packed.
func (s Series) SmoothedBase64() scalar.Base64 { return packed(s.Series.Smoothed) }

func packed(xs []float64) scalar.Base64 {
	if xs == nil {
		return nil
	}
	return scalar.Float64s(xs)
}

func notEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func notNull(xs []float64) scalar.Numbers {
	if xs == nil {
		return scalar.Numbers{}
	}
	return xs
}

// Metric is what is known of one key of one run, over its contexts and writers.
type Metric struct {
	Key      string
	Points   int64
	Last     float64
	LastStep int64
	Min, Max float64
	First    float64
	// Damaged tells that a part of what is stored could not be read.
	Damaged bool
}
