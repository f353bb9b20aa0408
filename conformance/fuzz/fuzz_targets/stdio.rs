#![no_main]

oap_conform_fuzz::target!("stdio");
