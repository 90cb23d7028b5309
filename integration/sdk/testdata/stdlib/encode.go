package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

type order struct {
	XMLName xml.Name          `json:"-" xml:"order"`
	ID      int64             `json:"id" xml:"id,attr"`
	Items   []item            `json:"items" xml:"item"`
	Labels  map[string]string `json:"labels,omitempty" xml:"-"`
	Note    *string           `json:"note" xml:"note,omitempty"`
	Price   float64           `json:"price" xml:"price"`
}

type item struct {
	Name  string `json:"name" xml:"name"`
	Count uint8  `json:"count" xml:"count"`
}

func jsonPart(out *bytes.Buffer) error {
	note := "<naïve> & \u2028 \"quoted\""
	o := order{
		ID: 9007199254740993, Items: []item{{"ham", 3}, {"egg", 255}}, Labels: map[string]string{"b": "2", "a": "1", "c": "é"},
		Note: &note, Price: 1e21 / 3,
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(o); err != nil {
		return err
	}
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	var back order
	if err := json.Unmarshal(data, &back); err != nil {
		return err
	}
	fmt.Fprintf(out, "%+v %q\n", back.Items, *back.Note)
	var loose any
	if err := json.Unmarshal([]byte(`{"x":[1,2.5,-3e-7,null,true,"\ud83d\ude00"]}`), &loose); err != nil {
		return err
	}
	fmt.Fprintf(out, "%v\n", loose)
	for _, bad := range []string{"{", `{"id":"x"}`, `{"items":[{"count":256}]}`, "[1,]"} {
		fmt.Fprintf(out, "%v\n", json.Unmarshal([]byte(bad), &back))
	}
	marked, err := xml.MarshalIndent(o, "", " ")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", marked)
	records, err := csv.NewReader(strings.NewReader("a,\"b,c\"\n1,\"2\"\"\"\n")).ReadAll()
	fmt.Fprintln(out, records, err)
	fmt.Fprintln(out, base64.StdEncoding.EncodeToString(data[:20]), hex.Dump(data[:20]))
	return nil
}

func gzipPart(out *bytes.Buffer) error {
	text := []byte(strings.Repeat("the same water, the same sea, and another tide. ", 2000))
	for i := range text {
		if i%97 == 0 {
			text[i] = byte(i)
		}
	}
	for _, level := range []int{gzip.HuffmanOnly, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression} {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, level)
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		fmt.Fprintf(out, "level %d: %d bytes, %08x\n", level, packed.Len(), crc32.ChecksumIEEE(packed.Bytes()))
		r, err := gzip.NewReader(&packed)
		if err != nil {
			return err
		}
		back, err := io.ReadAll(r)
		fmt.Fprintln(out, bytes.Equal(back, text), err)
	}
	_, err := gzip.NewReader(strings.NewReader("no gzip at all"))
	fmt.Fprintln(out, err)
	return nil
}
