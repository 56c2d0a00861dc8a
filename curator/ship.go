package curator

import (
	"bytes"
	"sync"

	"millrace/curator/pack"
)

// shipper stores finished shards while the next are made, one after the other: encoding need not wait for a disk or a network. It
// holds two shards at most.
type shipper struct {
	put    func(split int, s pack.Shard) error
	queue  chan shipment
	done   chan struct{}
	err    error // read it after done
	finish sync.Once
}

type shipment struct {
	split int
	shard pack.Shard
}

// newShipper makes one whose wait must be called.
func newShipper(put func(split int, s pack.Shard) error) *shipper {
	s := &shipper{put: put, queue: make(chan shipment), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for next := range s.queue {
			if s.err = s.put(next.split, next.shard); s.err != nil {
				return
			}
		}
	}()
	return s
}

// send takes a shard, whose bytes the caller may use again. Its error is that of an earlier one.
func (s *shipper) send(split int, shard pack.Shard) error {
	shard.Data, shard.Index, shard.Mask = bytes.Clone(shard.Data), bytes.Clone(shard.Index), bytes.Clone(shard.Mask)
	select {
	case s.queue <- shipment{split, shard}:
		return nil
	case <-s.done:
		return s.err
	}
}

// wait ends when everything is stored, or something could not be.
func (s *shipper) wait() error {
	s.finish.Do(func() { close(s.queue) })
	<-s.done
	return s.err
}
