SELECT organization, sha256 FROM store.models ORDER BY organization, sha256;
