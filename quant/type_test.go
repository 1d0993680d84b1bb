package quant

import (
	"math"
	"strings"
	"testing"
)

func allTypes() []Type {
	var ts []Type
	for t := range layouts {
		if Type(t).Known() {
			ts = append(ts, Type(t))
		}
	}
	return ts
}

func TestParseTypeInvertsString(t *testing.T) {
	if n := len(allTypes()); n != 18 {
		t.Fatalf("%d types, want 18", n)
	}
	for _, want := range allTypes() {
		got, err := ParseType(want.String())
		if err != nil || got != want {
			t.Errorf("ParseType(%q) = %v, %v", want.String(), got, err)
		}
	}
	for _, s := range []string{"", "q4_1", "Q4_2", "Type(4)"} {
		if got, err := ParseType(s); err == nil {
			t.Errorf("ParseType(%q) = %v, want an error", s, got)
		} else if !strings.HasPrefix(err.Error(), "quant: ") {
			t.Errorf("error %q does not name the package", err)
		}
	}
}

func TestUnknownTypes(t *testing.T) {
	for _, typ := range []Type{4, 5, 9, 15, 29, 31, math.MaxUint32} {
		if typ.Known() || typ.BlockSize() != 0 || typ.BlockBytes() != 0 {
			t.Errorf("%v is known", typ)
		}
		if _, err := typ.RowBytes(256); err == nil {
			t.Errorf("%v.RowBytes: no error", typ)
		}
	}
	if s := Type(4).String(); s != "Type(4)" {
		t.Errorf("String() = %q", s)
	}
}

func TestRowBytes(t *testing.T) {
	for _, tc := range []struct {
		t       Type
		n, want int // want < 0: an error
	}{
		{F32, 0, 0}, {F32, 7, 28}, {Q4_1, 576, 360}, {Q8_0, 576, 612}, {Q6_K, 512, 420}, {Q3_K, 256, 110},
		{Q4_1, 16, -1}, {Q4_K, 576, -1}, {F16, -1, -1}, {Q4_0, -32, -1}, {F64, math.MaxInt, -1}, {I8, math.MaxInt, math.MaxInt},
	} {
		got, err := tc.t.RowBytes(tc.n)
		if (err != nil) != (tc.want < 0) || (err == nil && got != tc.want) {
			t.Errorf("%v.RowBytes(%d) = %d, %v; want %d", tc.t, tc.n, got, err, tc.want)
		}
	}
}
