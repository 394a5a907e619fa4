//! Transactions: validate, query, diff, checkpoint, journal, apply, verify, commit or roll back.
