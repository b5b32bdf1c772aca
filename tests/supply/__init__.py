"""What the system is made of: licences, ends of support, advisories: `make licences`, `make sbom` and so on."""
