"""What an ascent leaves on disk: pictures, records, montages, films, presets."""
