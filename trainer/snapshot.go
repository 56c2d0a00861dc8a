package trainer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sort"
	"sync"
	"sync/atomic"

	"millrace/trainer/model/safetensors"
)

// contents are bytes that can be written again and again.
type contents []byte

func (c contents) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(c)
	return int64(n), err
}

func (c contents) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(c).ReadAt(p, off) }

// tensors is a safetensors file that can be read anywhere, so that it is uploaded without a copy of its bytes. It sees the
// tensors as they are when it is read, unless they were copied.
type tensors struct {
	file   safetensors.File
	header []byte
	ends   []int64 // of each tensor in the file
}

func newTensors(f safetensors.File) (*tensors, error) {
	h, err := f.Header()
	if err != nil {
		return nil, err
	}
	t := &tensors{file: f, header: h}
	at := int64(len(h))
	for _, x := range f.Tensors {
		at += 4 * int64(len(x.Data))
		t.ends = append(t.ends, at)
	}
	return t, nil
}

func (t *tensors) size() int64 {
	if len(t.ends) == 0 {
		return int64(len(t.header))
	}
	return t.ends[len(t.ends)-1]
}

// parts are the lengths of the header and of each tensor.
func (t *tensors) parts() []int64 {
	out := []int64{int64(len(t.header))}
	for _, x := range t.file.Tensors {
		out = append(out, 4*int64(len(x.Data)))
	}
	return out
}

// WriteTo writes the file.
func (t *tensors) WriteTo(w io.Writer) (int64, error) { return t.file.WriteTo(w) }

// ReadAt reads part of the file.
func (t *tensors) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= t.size() {
		return 0, io.EOF
	}
	n := 0
	if off < int64(len(t.header)) {
		n = copy(p, t.header[off:])
	}
	for i := sort.Search(len(t.ends), func(i int) bool { return t.ends[i] > off+int64(n) }); n < len(p) && i < len(t.ends); i++ {
		x := t.file.Tensors[i].Data
		n += elements(p[n:], x, off+int64(n)-(t.ends[i]-4*int64(len(x))), t.file.Download)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// elements fills p with the bytes of x from a byte on, as far as there are, and returns how many.
func elements(p []byte, x []float32, from int64, download func(dst, src []float32)) int {
	var host [1024]float32
	var word [4]byte
	n := 0
	for at := int(from / 4); at < len(x) && n < len(p); {
		part := x[at:min(at+len(host), len(x), at+(len(p)-n)/4+2)]
		if download != nil {
			download(host[:len(part)], part)
			part = host[:len(part)]
		}
		for _, v := range part {
			binary.LittleEndian.PutUint32(word[:], math.Float32bits(v))
			skip := 0
			if n == 0 {
				skip = int(from % 4)
			}
			n += copy(p[n:], word[skip:])
		}
		at += len(part)
	}
	return n
}

// snapshot is a checkpoint whose content training does not change.
type snapshot struct {
	Checkpoint
	buffers map[string][]float32 // by file and tensor, to be used again
	// onHost: the device's memory is the host's. Then alloc is where buffers come from, and threads is how many copy them: what takes time is to
	// touch pages for the first time, small ones above all.
	onHost  bool
	alloc   func(n int) []float32
	threads int
}

// open gives a file of the snapshot.
func (s *snapshot) open(name string) (io.ReadCloser, error) {
	for _, f := range s.Files {
		if f.Name == name {
			return io.NopCloser(io.NewSectionReader(f.Body, 0, f.Size)), nil
		}
	}
	return nil, fmt.Errorf("trainer: the checkpoint of step %d has no %s", s.Step, name)
}

// take copies a checkpoint's tensors to the host. The checkpoint taken before into the same snapshot is gone.
func (s *snapshot) take(c Checkpoint) error {
	var pieces []piece
	files := make([]File, 0, len(c.Files))
	for _, f := range c.Files {
		if live, ok := f.Body.(*tensors); ok {
			still := safetensors.File{Metadata: live.file.Metadata}
			for _, x := range live.file.Tensors {
				key := f.Name + "/" + x.Name
				b := s.buffers[key]
				if len(b) != len(x.Data) {
					if s.onHost {
						b = s.alloc(len(x.Data))
					} else {
						b = make([]float32, len(x.Data))
					}
					s.buffers[key] = b
				}
				if s.onHost {
					pieces = cut(pieces, b, x.Data)
				} else {
					live.file.Download(b, x.Data)
				}
				still.Tensors = append(still.Tensors, safetensors.Tensor{Name: x.Name, Shape: x.Shape, Data: b})
			}
			body, err := newTensors(still)
			if err != nil {
				return fmt.Errorf("trainer: %s: %w", f.Name, err)
			}
			f.Body = body
		}
		files = append(files, f)
	}
	s.copy(pieces)
	s.Checkpoint = c
	s.Files = files
	return nil
}

// piece is values to be copied.
type piece struct{ dst, src []float32 }

// cut adds pieces of a length that is worth another thread.
func cut(pieces []piece, dst, src []float32) []piece {
	const most = 1 << 20
	for len(src) > most {
		pieces = append(pieces, piece{dst[:most], src[:most]})
		dst, src = dst[most:], src[most:]
	}
	return append(pieces, piece{dst, src})
}

func (s *snapshot) copy(pieces []piece) {
	var all sync.WaitGroup
	var next atomic.Int64
	for range min(max(s.threads, 1), len(pieces)) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(pieces)); i = next.Add(1) - 1 {
				copy(pieces[i].dst, pieces[i].src)
			}
		})
	}
	all.Wait()
}
