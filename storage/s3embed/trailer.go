package s3embed

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// An object is one file, so that its bytes and what is known about them become
// visible in one rename:
//
//	offset          length  content
//	0               size    the object's bytes
//	size            m       meta, JSON
//	size+m          4       m, little endian
//	size+m+4        4       CRC-32C (Castagnoli) of the m bytes of JSON, little endian
//	size+m+8        8       "mrs3obj1"
const (
	trailerMagic = "mrs3obj1"
	footerSize   = 16
	maxMeta      = 1 << 20
)

var errTrailer = errors.New("not an object file, or a damaged one")

// meta is what a file says about its object besides the bytes.
type meta struct {
	ETag    []byte            `json:"etag"`              // what S3 shows in hex: MD5, or for parts MD5 of MD5s and their count
	Headers map[string]string `json:"headers,omitempty"` // Content-Type, X-Amz-Meta-…, Last-Modified
	Parts   []int64           `json:"parts,omitempty"`   // bytes of each part of a multipart upload
}

// appendTrailer appends what follows an object's bytes in its file.
func appendTrailer(b []byte, m meta) ([]byte, error) {
	j, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode the object's metadata: %w", err)
	}
	if len(j) > maxMeta {
		return nil, fmt.Errorf("the object's metadata has %d bytes, %d are allowed", len(j), maxMeta)
	}
	b = append(b, j...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(j)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(j, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, trailerMagic...), nil
}

// readTrailer reads the end of a file of fileSize bytes. It returns the number
// of the object's own bytes, or errTrailer.
func readTrailer(r io.ReaderAt, fileSize int64) (m meta, size int64, err error) {
	// One read is enough for nearly every object.
	const guess = 1024
	n := min(int64(guess), fileSize)
	if n < footerSize {
		return meta{}, 0, errTrailer
	}
	tail := make([]byte, n)
	if _, err := r.ReadAt(tail, fileSize-n); err != nil {
		return meta{}, 0, fmt.Errorf("read the trailer: %w", err)
	}
	foot := tail[n-footerSize:]
	if string(foot[8:]) != trailerMagic {
		return meta{}, 0, errTrailer
	}
	length := int64(binary.LittleEndian.Uint32(foot))
	if length > maxMeta || length > fileSize-footerSize {
		return meta{}, 0, errTrailer
	}
	size = fileSize - footerSize - length
	var j []byte
	if length+footerSize <= n {
		j = tail[n-footerSize-length : n-footerSize]
	} else {
		j = make([]byte, length)
		if _, err := r.ReadAt(j, size); err != nil {
			return meta{}, 0, fmt.Errorf("read the trailer: %w", err)
		}
	}
	if crc32.Checksum(j, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(foot[4:]) {
		return meta{}, 0, errTrailer
	}
	if err := json.Unmarshal(j, &m); err != nil {
		return meta{}, 0, errTrailer
	}
	return m, size, nil
}
