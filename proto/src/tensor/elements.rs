//! Bytes seen as elements, and elements seen as bytes.

use std::borrow::Cow;

use bytemuck::Pod;
use bytes::Bytes;

/// A vector that stays where it is and is seen as bytes.
struct Owner<T>(Vec<T>);

impl<T: Pod> AsRef<[u8]> for Owner<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// The bytes of these elements, in place.
pub(super) fn bytes_of<T: Pod + Send>(elements: Vec<T>) -> Bytes {
    Bytes::from_owner(Owner(elements))
}

/// The elements in these bytes: in place if the bytes happen to be aligned, as those from the network rarely are, else
/// copied.
///
/// `data.len()` must be a multiple of the element's size, as a tensor's is.
pub(super) fn elements<T: Pod>(data: &[u8]) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(data) {
        Ok(elements) => Cow::Borrowed(elements),
        Err(_) => Cow::Owned(bytemuck::pod_collect_to_vec(data)),
    }
}
