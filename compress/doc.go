// Package compress makes a language model smaller: it replaces the linear layers of its blocks by low-rank factors, fitted
// to what the layers see on calibration text, under one budget, and records for every layer what that cost.
//
// A run has four stages, each of which streams over the model's blocks:
//
//	calibrate  the dense model reads the text; moments of every layer's inputs are kept on disk (package calib)
//	survey     singular values of every matrix in the method's norm, if the budget is shared out by loss (package budget);
//	           or perplexities with one matrix cut, if it is by a search (ASVD's STRS), which takes far longer than all else
//	fit        factors of the chosen ranks, a block at a time (package lowrank), measured, kept in a work folder
//	write      the output, in its final form (package checkpoint)
//
// Every finished block is a file in the work folder beside the output. A run that was killed goes on from there with
// Options.Resume, and ends with the same bytes.
package compress
