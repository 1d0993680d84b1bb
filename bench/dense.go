package main

func denseCases() ([]benchCase, error) { return noCases("package lapack")() }
