//! Finds and makes the place of an object below its bucket's folder.
//!
//! Symbolic links are not followed: they may lead out of the folder.

use std::{
    fs::{self, FileType},
    io,
    path::{Path, PathBuf},
};

use super::is_absence;
use crate::s3::path::{self, ObjectPath};

/// Where the object lies, if there is one.
pub(super) fn find(bucket: &Path, path: &ObjectPath) -> io::Result<Option<PathBuf>> {
    let mut folder = bucket.to_owned();
    for name in &path.folders {
        folder.push(name);
        if !kind(&folder)?.is_some_and(|it| it.is_dir()) {
            return Ok(None);
        }
    }
    // In this order: an object may move from the first place to the second while we look.
    let plain = folder.join(&path.name);
    let has_plain = is_file(&plain)?;
    let beside = folder.join(path.name_beside_folder());
    if is_file(&beside)? {
        return Ok(Some(beside));
    }
    Ok(has_plain.then_some(plain))
}

/// Makes the folders of an object, and says what its file is called. Objects that lie where a
/// folder must be step aside.
pub(super) fn make_room(bucket: &Path, path: &ObjectPath) -> io::Result<PathBuf> {
    let mut folder = bucket.to_owned();
    for name in &path.folders {
        let parent = folder.clone();
        folder.push(name);
        match kind(&folder)? {
            Some(kind) if kind.is_dir() => continue,
            Some(kind) if kind.is_file() && path::key_of_file(name).is_some() => {
                step_aside(&folder, &parent.join(path::beside_folder(name)))?;
            }
            Some(_) => return Err(in_the_way(&folder)),
            None => {}
        }
        fs::create_dir(&folder)?;
    }
    let plain = folder.join(&path.name);
    let beside = folder.join(path.name_beside_folder());
    let is_folder = kind(&plain)?.is_some_and(|it| it.is_dir());
    Ok(if is_folder || is_file(&beside)? { beside } else { plain })
}

/// Removes the folders that an object leaves empty: S3 has no folders.
pub(super) fn prune(bucket: &Path, object: &Path) {
    for folder in object.ancestors().skip(1).take_while(|it| *it != bucket) {
        // Most often because something else lies in it.
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

fn step_aside(from: &Path, to: &Path) -> io::Result<()> {
    if kind(to)?.is_some() {
        // Someone has put a file beside the object that is there already.
        return Err(in_the_way(from));
    }
    fs::rename(from, to)
}

fn in_the_way(path: &Path) -> io::Error {
    let message = format!("{} is in the way of an object; move it elsewhere", path.display());
    io::Error::new(io::ErrorKind::AlreadyExists, message)
}

fn is_file(path: &Path) -> io::Result<bool> {
    Ok(kind(path)?.is_some_and(|it| it.is_file()))
}

/// What is at a place, if anything.
fn kind(path: &Path) -> io::Result<Option<FileType>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata.file_type())),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
