package stored

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// DType is a number format, by safetensors' name for it.
type DType string

// The formats of weights. Q8_0 is ggml's: blocks of 32 elements along the last dimension, each a binary16 scale d and 32 int8 q, which
// mean d·q.
const (
	F32  DType = "F32"
	F16  DType = "F16"  // IEEE 754 binary16
	BF16 DType = "BF16" // the upper half of a binary32
	Q8_0 DType = "Q8_0"
)

// Weights tells whether d is a format that weights can be converted from and to.
func (d DType) Weights() bool { return d == F32 || d == F16 || d == BF16 || d == Q8_0 }

// Block is how many elements, and in how many bytes, d stores together. 0, 0 for a format that is not known.
func (d DType) Block() (elements, size int64) {
	switch d {
	case Q8_0:
		return 32, 34
	case "F64", "I64", "U64":
		return 1, 8
	case F32, "I32", "U32":
		return 1, 4
	case F16, BF16, "I16", "U16":
		return 1, 2
	case "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2":
		return 1, 1
	}
	return 0, 0
}

// ErrRange is wrapped where a number is too great for the format it is converted to.
var ErrRange = errors.New("out of the format's range")

// Decode reads len(dst) elements, whole blocks, from src, which is as long as they are.
func (d DType) Decode(dst []float32, src []byte) {
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = fromHalf(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	case Q8_0:
		for i := range dst {
			b := src[i/32*34:]
			dst[i] = fromHalf(binary.LittleEndian.Uint16(b)) * float32(int8(b[2+i%32]))
		}
	default:
		panic("stored: " + string(d) + " is no format of weights")
	}
}

// Encode appends elements, whole blocks, to dst: rounded to nearest, ties to even; Q8_0 as ggml's reference has it, d = max|x|/127 and q = x/d
// rounded half away from zero. ErrRange for a finite number that would become infinite.
func (d DType) Encode(dst []byte, src []float32) ([]byte, error) {
	switch d {
	case F32:
		for _, x := range src {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
		}
	case F16:
		for _, x := range src {
			h := toHalf(x)
			if h&0x7fff == 0x7c00 && !math.IsInf(float64(x), 0) {
				return dst, fmt.Errorf("%g: %w: F16 reaches to 65504; BF16 reaches as far as F32", x, ErrRange)
			}
			dst = binary.LittleEndian.AppendUint16(dst, h)
		}
	case BF16:
		for _, x := range src {
			h := toBrain(x)
			if h&0x7fff == 0x7f80 && !math.IsInf(float64(x), 0) {
				return dst, fmt.Errorf("%g: %w: BF16 reaches to 3.39e38", x, ErrRange)
			}
			dst = binary.LittleEndian.AppendUint16(dst, h)
		}
	case Q8_0:
		for at := 0; at < len(src); at += 32 {
			var err error
			if dst, err = quantise(dst, src[at:at+32]); err != nil {
				return dst, err
			}
		}
	default:
		panic("stored: " + string(d) + " is no format of weights")
	}
	return dst, nil
}

// quantise appends a block of Q8_0.
func quantise(dst []byte, x []float32) ([]byte, error) {
	greatest := float32(0)
	for _, v := range x {
		a := max(v, -v)
		if !(a <= math.MaxFloat32) {
			return dst, fmt.Errorf("%g: %w: Q8_0 has finite numbers only", v, ErrRange)
		}
		greatest = max(greatest, a)
	}
	scale := greatest / 127
	inverse := float32(0)
	if scale != 0 {
		inverse = 1 / scale
	}
	h := toHalf(scale)
	if h&0x7fff == 0x7c00 {
		return dst, fmt.Errorf("%g: %w: Q8_0 reaches to 127·65504", greatest, ErrRange)
	}
	dst = binary.LittleEndian.AppendUint16(dst, h)
	for _, v := range x {
		q := math.Round(float64(v * inverse))
		dst = append(dst, byte(int8(max(-128, min(127, q)))))
	}
	return dst, nil
}

// fromHalf converts an IEEE 754 binary16, exactly.
func fromHalf(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0: // zero or subnormal: frac·2^-24 is exact in a float32
		return math.Float32frombits(math.Float32bits(float32(frac)/(1<<24)) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// toHalf rounds to the nearest binary16, ties to even; too great becomes infinite, a NaN stays one.
func toHalf(x float32) uint16 {
	b := math.Float32bits(x)
	sign, a := uint16(b>>16)&0x8000, b&0x7fffffff
	switch {
	case a > 0x7f800000: // NaN: its upper bits, and never infinite
		return sign | 0x7c00 | 0x200 | uint16(a>>13)&0x3ff
	case a >= 0x477ff000: // 65520, which rounds up to 65536
		return sign | 0x7c00
	case a < 0x38800000: // below 2^-14: a subnormal, a multiple of 2^-24; the float64 product is exact
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(a))*(1<<24)))
	}
	a += 0xfff + a>>13&1 // a carry into the exponent is right
	return sign | uint16((a-112<<23)>>13)
}

// toBrain rounds to the nearest bfloat16, ties to even; a NaN stays one.
func toBrain(x float32) uint16 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
