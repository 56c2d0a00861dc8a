// Package fasttext reads the models of fastText and predicts with them, as fastText does.
//
// It reads supervised models of version 11 and 12, whole (.bin) and quantised (.ftz), with any of the four losses. No model
// comes with this program: that of lid.176 is under CC BY-SA. The files' form and the arithmetic are those of fastText 0.9
// (github.com/facebookresearch/fastText, src/{args,dictionary,matrix,quantmatrix,productquantizer,loss}.cc).
package fasttext
