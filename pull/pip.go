package pull

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// defaultIndex is where Python packages come from unless the user has configured another index.
const defaultIndex = "https://pypi.org/simple"

// pipSettings are the settings of pip that matter here.
type pipSettings struct {
	index string // the simple index's URL, without a slash at the end
	cert  string // a file of certificate authorities, or ""
}

// readPip returns pip's settings in pip's order: environment, the file that PIP_CONFIG_FILE names, the user's file, the
// site's file.
func readPip() pipSettings {
	s := pipSettings{index: os.Getenv("PIP_INDEX_URL"), cert: os.Getenv("PIP_CERT")}
	for _, file := range pipFiles() {
		values := readINI(file)
		if s.index == "" {
			s.index = values["index-url"]
		}
		if s.cert == "" {
			s.cert = values["cert"]
		}
	}
	if s.index == "" {
		s.index = defaultIndex
	}
	s.index = strings.TrimRight(s.index, "/")
	return s
}

// pipFiles lists pip's configuration files, the most important first.
func pipFiles() []string {
	var files []string
	add := func(base string, parts ...string) {
		if base != "" {
			files = append(files, filepath.Join(append([]string{base}, parts...)...))
		}
	}
	add(os.Getenv("PIP_CONFIG_FILE"))
	home, _ := os.UserHomeDir() // without a home folder its files are left out
	config, _ := os.UserConfigDir()
	if runtime.GOOS == "windows" {
		add(config, "pip", "pip.ini")
		add(home, "pip", "pip.ini")
		add(os.Getenv("ProgramData"), "pip", "pip.ini")
		return files
	}
	add(config, "pip", "pip.conf")
	add(home, ".config", "pip", "pip.conf")
	add(home, ".pip", "pip.conf")
	add("/etc", "xdg", "pip", "pip.conf")
	add("/etc", "pip.conf")
	return files
}

// readINI returns the keys of the sections [global] and [install] of a pip configuration file; none if it cannot be read.
func readINI(path string) map[string]string {
	values := map[string]string{}
	f, err := os.Open(path)
	if err != nil {
		return values
	}
	defer f.Close()
	section := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if ok && (section == "global" || section == "install") && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
			values[strings.ReplaceAll(strings.TrimSpace(key), "_", "-")] = strings.TrimSpace(value)
		}
	}
	return values
}

// client returns an HTTP client that trusts pip's certificate authorities besides the system's.
func (s pipSettings) client() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	if s.cert != "" {
		pem, err := os.ReadFile(s.cert)
		if err != nil {
			return nil, fmt.Errorf("pull: pip's certificate file: %w", err)
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("pull: pip's certificate file %s has no certificate", s.cert)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Transport: transport}, nil
}
