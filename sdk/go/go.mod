module github.com/shoal-run/shoal/sdk/go

go 1.24
