// Package safetensors writes and reads Hugging Face's safetensors files: a header that names tensors, then their bytes.
//
//	8 bytes   N, the length of the header, little-endian
//	N bytes   JSON {"__metadata__":{…},"name":{"dtype":"F32","shape":[…],"data_offsets":[begin,end]},…}, padded with spaces
//	          so that the data begin at a multiple of 8
//	the rest  the tensors' elements, little-endian, row-major, without gaps, offsets counted from here
//
// Files are written in the order given and hold no times: the same tensors give the same bytes. What is read may come from
// anywhere: every length is checked before it is believed.
package safetensors
