package process

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"os"

	"github.com/nats-io/nats.go"

	"github.com/shoal-run/shoal/libs/config"
)

// healthOff is the health address of a process that answers no probes.
const healthOff = "off"

// common is what every service has settings for.
type common struct {
	nats      natsSettings
	health    string
	logLevel  slog.Level
	logFormat string
}

func (c *common) setDefaults(health string) {
	*c = common{health: health, logFormat: "text"}
	c.nats.url = nats.DefaultURL
}

func (c *common) keys(health bool) []config.Key {
	keys := c.nats.keys()
	if health {
		keys = append(keys, config.Key{
			Name: "health", Value: config.Address(&c.health, healthOff),
			What: "where `/healthz`, `/readyz` and `/metrics` answer over HTTP; nothing else is served there",
		})
	}
	return append(keys,
		config.Key{
			Name: "log-level", Value: config.Level(&c.logLevel),
			What: "from which level on to log, to stderr",
		},
		config.Key{
			Name: "log-format", Value: config.Choice(&c.logFormat, "text", "json"),
			What: "text for people or JSON for machines, a line for each event",
		},
	)
}

func (c *common) check(set *config.Set) error { return c.nats.check(set) }

func (c *common) logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.logLevel}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// natsSettings say how to reach the NATS server.
type natsSettings struct {
	url                  string
	credentials, nkey    string // files
	user, password       string
	tlsCA, tlsCert, tlsK string // files
}

func (n *natsSettings) keys() []config.Key {
	return []config.Key{
		{
			Name: "nats-url", Value: config.URLs(&n.url, "nats", "tls", "ws", "wss"),
			Example: "nats://nats1:4222,nats://nats2:4222", What: "NATS servers of one cluster, with JetStream; any one is enough to start",
		},
		{
			Name: "nats-credentials", Value: config.Text(&n.credentials, "a file"),
			Example: "/etc/shoal/nats.creds", What: "user JWT and seed, as `nsc` writes them; read again at each reconnect",
		},
		{Name: "nats-nkey", Value: config.Text(&n.nkey, "a file"), Example: "/etc/shoal/nats.nk", What: "seed of an NKey user; read again at each reconnect"},
		{Name: "nats-user", Value: config.Text(&n.user, "text"), Example: "shoal", What: "user name"},
		{
			Name: "nats-password", Value: config.Secret(&n.password),
			What: "its password; better in the file or the environment than as a flag, which every process of the machine can see",
		},
		{Name: "nats-tls-ca", Value: config.Text(&n.tlsCA, "a file"), Example: "/etc/shoal/ca.pem", What: "PEM of the authorities that sign the servers' certificates; the system's when empty"},
		{Name: "nats-tls-cert", Value: config.Text(&n.tlsCert, "a file"), Example: "/etc/shoal/cert.pem", What: "PEM of this process's certificate, for servers that want one"},
		{Name: "nats-tls-key", Value: config.Text(&n.tlsK, "a file"), Example: "/etc/shoal/key.pem", What: "PEM of its key"},
	}
}

// check reports settings that contradict one another.
func (n *natsSettings) check(set *config.Set) error {
	var errs []error
	var ways []string
	for _, w := range [][2]string{{"nats-credentials", n.credentials}, {"nats-nkey", n.nkey}, {"nats-user", n.user}} {
		if w[1] != "" {
			ways = append(ways, w[0])
		}
	}
	if len(ways) > 1 {
		errs = append(errs, set.Errorf(ways[0], "want only one of nats-credentials, nats-nkey and nats-user"))
	}
	switch {
	case n.password != "" && n.user == "":
		errs = append(errs, set.Errorf("nats-password", "needs nats-user"))
	case n.user != "" && n.password == "":
		errs = append(errs, set.Errorf("nats-user", "needs nats-password"))
	}
	switch {
	case n.tlsCert != "" && n.tlsK == "":
		errs = append(errs, set.Errorf("nats-tls-cert", "needs nats-tls-key"))
	case n.tlsK != "" && n.tlsCert == "":
		errs = append(errs, set.Errorf("nats-tls-key", "needs nats-tls-cert"))
	}
	return errors.Join(errs...)
}

// checkFiles reads what the settings name, so that a wrong file is told as what it is and not as a server that is away.
func (n *natsSettings) checkFiles(set *config.Set) error {
	if n.credentials != "" {
		if err := checkCredentials(n.credentials); err != nil {
			return set.Errorf("nats-credentials", "%s", err)
		}
	}
	if n.nkey != "" {
		if _, err := nats.NkeyOptionFromSeed(n.nkey); err != nil {
			return set.Errorf("nats-nkey", "%s", err)
		}
	}
	if n.tlsCert != "" {
		if _, err := tls.LoadX509KeyPair(n.tlsCert, n.tlsK); err != nil {
			return set.Errorf("nats-tls-cert", "%s", err)
		}
	}
	if n.tlsCA != "" {
		pem, err := os.ReadFile(n.tlsCA)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
			err = errors.New("has no certificate in PEM")
		}
		if err != nil {
			return set.Errorf("nats-tls-ca", "%s", err)
		}
	}
	return nil
}

// checkCredentials takes a user's JWT and seed from the file at path, as a connection does.
func checkCredentials(path string) error {
	var o nats.Options
	if err := nats.UserCredentials(path)(&o); err != nil {
		return err
	}
	if _, err := o.UserJWT(); err != nil {
		return err
	}
	_, err := o.SignatureCB([]byte("nonce"))
	return err
}

// options returns what a connection needs. Preconditions: checkFiles found nothing.
func (n *natsSettings) options() []nats.Option {
	opts := []nats.Option{nats.IgnoreAuthErrorAbort()} // an account that is restored must not need a restart here
	switch {
	case n.credentials != "":
		opts = append(opts, nats.UserCredentials(n.credentials))
	case n.nkey != "":
		if nkey, err := nats.NkeyOptionFromSeed(n.nkey); err == nil {
			opts = append(opts, nkey)
		}
	case n.user != "":
		opts = append(opts, nats.UserInfo(n.user, n.password))
	}
	if n.tlsCA != "" {
		opts = append(opts, nats.RootCAs(n.tlsCA))
	}
	if n.tlsCert != "" {
		opts = append(opts, nats.ClientCert(n.tlsCert, n.tlsK))
	}
	return opts
}
