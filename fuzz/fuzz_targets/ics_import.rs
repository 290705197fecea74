//! A file somebody imports: read as a stream, put right where that is possible, each object on its own.
#![no_main]

use std::io::Cursor;

use kalends::domain::object::CalendarObject;
use kalends::ics::import::Import;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let import = Import::scan(Cursor::new(data)).expect("memory can be read");
    for object in import.objects(Cursor::new(data)) {
        let Ok(imported) = object.expect("memory can be read") else { continue };
        // It may still be refused, with a sentence; where it is not, it is the object that was promised.
        if let Ok(object) = CalendarObject::parse(imported.bytes) {
            assert_eq!(object.uid(), imported.uid);
        }
    }
});
