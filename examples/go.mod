module github.com/shoal-run/shoal/examples

go 1.24

require github.com/shoal-run/shoal/sdk/go v0.0.0

replace github.com/shoal-run/shoal/sdk/go => ../sdk/go
