package read

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"millrace/curator/corpus"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	layout "github.com/parquet-go/parquet-go/format"
)

// Limits on Parquet. A page is in memory as a whole, and its header says how large it is.
const (
	maxFooterBytes = 256 << 20
	maxPageBytes   = 256 << 20
	maxPageValues  = 1 << 26
	maxHeaderBytes = 1 << 24
	// pageBuffer is how much is read at once.
	pageBuffer = 256 << 10
	// rowBatch is how many values are decoded at once.
	rowBatch = 64
)

// cutParquet reads the columns that the source takes, side by side, a row group after the other.
func cutParquet(c *cutter, _ io.Reader) (err error) {
	defer func() {
		if p := recover(); p != nil { // the library's, about bytes it did not expect
			err = fmt.Errorf("it is no Parquet: %v", p)
		}
	}()
	size := c.file.Size
	if err := checkFooter(c.at, size); err != nil {
		return err
	}
	f, err := parquet.OpenFile(c.at, size, &parquet.FileConfig{SkipPageIndex: true, SkipBloomFilters: true, ReadBufferSize: pageBuffer})
	if err != nil {
		return err
	}
	leaves, err := parquetLeaves(c.source, f.Schema())
	if err != nil {
		return err
	}
	number := 0
	for i, group := range f.RowGroups() {
		if err := c.rowGroup(f.Metadata().RowGroups[i], group, leaves, &number); err != nil {
			return err
		}
	}
	return nil
}

// checkFooter refuses a footer that is longer than the file, before anybody makes room for it.
func checkFooter(at io.ReaderAt, size int64) error {
	var end [8]byte
	if size < int64(len(end))+4 {
		return fmt.Errorf("%d bytes are no Parquet: it was cut off", size)
	}
	if _, err := at.ReadAt(end[:], size-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if magic := string(end[4:]); magic != "PAR1" {
		return fmt.Errorf("it ends in %q instead of PAR1: it was cut off, or is no Parquet that is not encrypted", magic)
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if n > min(size-int64(len(end)), maxFooterBytes) {
		return fmt.Errorf("its footer is said to have %d bytes", n)
	}
	footer := make([]byte, n)
	if _, err := at.ReadAt(footer, size-int64(len(end))-n); err != nil {
		return err
	}
	if thriftSize(footer) < 0 {
		return errors.New("its footer is damaged")
	}
	return nil
}

// parquetLeaves are the columns that are taken, by field; -1 for those that the file does not have.
func parquetLeaves(s *Source, schema *parquet.Schema) ([fieldCount]int, error) {
	var leaves [fieldCount]int
	for i, name := range s.fieldNames() {
		leaves[i] = -1
		leaf, ok := schema.Lookup(strings.Split(name, ".")...)
		if !ok { // a name may have dots of its own
			leaf, ok = schema.Lookup(name)
		}
		if ok && leaf.MaxRepetitionLevel == 0 && leaf.Node.Leaf() && leaf.Node.Type().Kind() == parquet.ByteArray {
			leaves[i] = leaf.ColumnIndex
		}
	}
	if leaves[fieldText] >= 0 {
		return leaves, nil
	}
	var have []string
	for _, path := range schema.Columns() {
		have = append(have, strings.Join(path, "."))
	}
	return leaves, noField(s.TextField, have)
}

// rowGroup emits the rows of a group.
func (c *cutter) rowGroup(meta layout.RowGroup, group parquet.RowGroup, leaves [fieldCount]int, number *int) error {
	var columns [fieldCount]*column
	defer func() {
		for _, col := range columns {
			if col != nil {
				col.close()
			}
		}
	}()
	for i, leaf := range leaves {
		if leaf < 0 {
			continue
		}
		chunk := meta.Columns[leaf].MetaData
		if i == fieldText {
			c.offset = chunk.DataPageOffset
		}
		if err := checkPages(c.at, chunk, c.file.Size); err != nil {
			return err
		}
		columns[i] = &column{pages: group.ColumnChunks()[leaf].Pages()}
	}
	told := c.in.n
	for row := int64(1); ; row++ {
		if row%rowBatch == 0 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		var values [fieldCount]parquet.Value
		for i, col := range columns {
			if col == nil {
				continue
			}
			v, err := col.next()
			switch {
			case errors.Is(err, io.EOF) && i == fieldText && row == group.NumRows()+1:
				return nil
			case errors.Is(err, io.EOF):
				return fmt.Errorf("a column ends at row %d of a group of %d", row, group.NumRows())
			case err != nil:
				return fmt.Errorf("row %d of a group: %w", row, err)
			}
			values[i] = v
		}
		*number++
		c.in.n = told + meta.TotalCompressedSize*row/max(group.NumRows(), 1)
		if err := c.row(*number, values); err != nil {
			return err
		}
	}
}

func (c *cutter) row(number int, values [fieldCount]parquet.Value) error {
	text := values[fieldText]
	size := int64(len(text.ByteArray()))
	switch {
	case text.IsNull():
		return c.refuse(number, NoText, 0, 0, 0)
	case size > c.source.MaxBytes:
		return c.tooLarge(number, size)
	}
	r := Record{number: number, data: append([]byte(nil), text.ByteArray()...), url: string(values[fieldURL].ByteArray())}
	r.license = string(values[fieldLicense].ByteArray())
	if values[fieldLicense].IsNull() {
		r.license = string(values[fieldLicence].ByteArray())
	}
	return c.emit(r)
}

// extractParquet is for a row, whose URL and licence the record has.
func extractParquet(_ *extractor, data []byte, d *corpus.Doc) *corpus.Why {
	if why := binaryData(data); why != nil {
		return why
	}
	d.Text = string(data)
	return nil
}

// column gives the values of a column that is not repeated, of one row group.
type column struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    [rowBatch]parquet.Value
	have   []parquet.Value
}

// next is the next value, which is good until the one after.
func (c *column) next() (parquet.Value, error) {
	for len(c.have) == 0 {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				return parquet.Value{}, err
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buf[:])
		c.have = c.buf[:n]
		if n > 0 {
			break
		}
		if err == nil || errors.Is(err, io.EOF) {
			c.release()
			continue
		}
		return parquet.Value{}, err
	}
	v := c.have[0]
	c.have = c.have[1:]
	return v, nil
}

func (c *column) release() {
	if c.page != nil {
		parquet.Release(c.page)
	}
	c.page, c.values = nil, nil
}

func (c *column) close() {
	c.release()
	_ = c.pages.Close() // read only
}

// checkPages reads the headers of a column's pages, before anybody makes room for what they say.
func checkPages(at io.ReaderAt, chunk layout.ColumnMetaData, size int64) error {
	offset := chunk.DataPageOffset
	if d := chunk.DictionaryPageOffset; d > 0 && d < offset {
		offset = d
	}
	end := offset + chunk.TotalCompressedSize
	if offset < 4 || end < offset || end > size {
		return fmt.Errorf("a column is said to be at bytes %d to %d of %d", offset, end, size)
	}
	for offset < end {
		h, n, err := pageHeader(at, offset, end-offset)
		if err != nil {
			return fmt.Errorf("a page's header at byte %d: %w", offset, err)
		}
		values := max(h.DataPageHeader.V.NumValues, h.DataPageHeaderV2.V.NumValues, h.DictionaryPageHeader.V.NumValues)
		switch packed := int64(h.CompressedPageSize); {
		case packed < 0 || packed > end-offset-n || h.UncompressedPageSize < 0:
			return fmt.Errorf("a page at byte %d is said to have %d bytes, %d of them packed", offset, h.UncompressedPageSize, packed)
		case h.UncompressedPageSize > maxPageBytes || values > maxPageValues:
			return fmt.Errorf("a page at byte %d has %d bytes and %d values: the limits are %d and %d; write it with smaller pages",
				offset, h.UncompressedPageSize, values, maxPageBytes, maxPageValues)
		default:
			offset += n + packed
		}
	}
	return nil
}

// pageHeader reads a page's header, of which nobody knows the length (n) before.
func pageHeader(at io.ReaderAt, offset, most int64) (h layout.PageHeader, n int64, err error) {
	for size := int64(1 << 10); ; size *= 16 {
		buf := make([]byte, min(size, most))
		if _, err := at.ReadAt(buf, offset); err != nil {
			return h, 0, err
		}
		if n := thriftSize(buf); n >= 0 {
			var protocol thrift.CompactProtocol
			err := thrift.Unmarshal(&protocol, buf[:n], &h)
			return h, int64(n), err
		}
		if int64(len(buf)) == most || size >= maxHeaderBytes {
			return h, 0, errors.New("it is damaged")
		}
	}
}
